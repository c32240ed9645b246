answer = "cb"
