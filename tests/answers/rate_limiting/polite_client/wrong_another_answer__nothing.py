def answer(send, sleep):
    return None
