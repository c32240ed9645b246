def answer(send, sleep):
    response = send()
    while response.status_code == 429:
        response = send()
    return response
