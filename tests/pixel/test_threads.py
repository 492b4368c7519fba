"""Work shared by threads: all of it done once, the first error raised, nothing begun after it."""

import threading
import time

import pytest

from dicomwire.pixel.threads import in_threads


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_everything_is_done_once(threads):
    done = []
    in_threads(((number,) for number in range(200)), done.append, threads)
    assert sorted(done) == list(range(200))
    in_threads([], done.append, threads)
    assert len(done) == 200


def test_threads_work_side_by_side():
    """Each waits until all are there: fewer would wait for ever."""
    barrier = threading.Barrier(3)
    seen = set()

    def work(number):
        barrier.wait(20)
        seen.add(threading.get_ident())

    in_threads([(number,) for number in range(3)], work, 3)
    assert len(seen) == 3
    assert threading.get_ident() in seen


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_the_first_error_in_order_is_raised(threads):
    begun = []

    def work(number):
        begun.append(number)
        if number == 7:
            time.sleep(0.05)  # later than that of number 8
            raise KeyError(number)
        if number > 7:
            raise ValueError(number)

    with pytest.raises(KeyError, match="7"):
        in_threads(((number,) for number in range(10_000)), work, threads)
    assert max(begun) < 7 + 2 * threads


@pytest.mark.parametrize("threads", [1, 3])
def test_what_cannot_be_had_comes_after_what_was(threads):
    done = []

    def arguments():
        for number in range(5):
            yield (number,)
        raise OSError("no more")

    with pytest.raises(OSError, match="no more"):
        in_threads(arguments(), done.append, threads)
    assert sorted(done) == [0, 1, 2, 3, 4]


def test_an_interrupt_goes_before_errors():
    def work(number):
        if number == 3:
            raise KeyboardInterrupt
        raise ValueError(number) if number == 0 else TimeoutError

    def arguments():
        yield (0,)
        yield (3,)

    barrier = threading.Barrier(2)

    def together(number):
        barrier.wait(20)
        work(number)

    with pytest.raises(KeyboardInterrupt):
        in_threads(arguments(), together, 2)


def test_no_thread_is_left():
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError):
        in_threads(((number,) for number in range(100)), lambda number: 1 / (50 - number), 4)
    assert threading.active_count() == before


def test_less_than_one_thread_is_refused():
    with pytest.raises(ValueError, match="threads=0"):
        in_threads([], print, 0)
