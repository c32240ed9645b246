def answer(send, sleep):
    for attempt in range(3):
        response = send()
        if response.status_code != 429 or attempt == 2:
            return response
        sleep(2**attempt)
