answer = lambda old, new: old / new
