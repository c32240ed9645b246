answer = {"b", "c"}
