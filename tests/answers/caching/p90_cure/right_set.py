answer = {"d"}
