answer = lambda hits, misses: hits and hits / (hits + misses)
