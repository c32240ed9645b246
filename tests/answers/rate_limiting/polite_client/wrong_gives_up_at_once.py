def answer(send, sleep):
    return send()
