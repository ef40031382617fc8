import asyncio
import os

from headrace.app.demo.processes import _copy


async def test_what_a_process_says_is_read_although_its_log_cannot_be_written() -> None:
    said = asyncio.StreamReader()
    said.feed_data(b"many words")
    said.feed_eof()
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        await _copy(said, full)
    finally:
        os.close(full)
    assert said.at_eof()
