answer = "92% hits"
