from headrace.app.load.stopping import Stop


def test_the_first_word_ends_the_requests_the_second_one_the_waiting() -> None:
    stop = Stop()
    assert not stop.no_more.is_set()
    stop.ask()
    assert stop.no_more.is_set() and not stop.now.is_set()
    stop.ask()
    stop.ask()
    assert stop.no_more.is_set() and stop.now.is_set()
