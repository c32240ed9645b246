answer = {query: query in "ad" for query in "abcde"}
