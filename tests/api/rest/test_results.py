"""Results of jobs that a compute engine of ours ran."""

from collections.abc import Sequence
from pathlib import Path

from api.gateway import serve
from api.rest.house import FREE, open_house
from headrace.core.errors import FixTheRequest
from headrace.core.ports.compute import ResultFile
from headrace.core.terms import JobId


class Archive:
    """An engine of ours that has run everything already: `core.ports.compute.ComputeEngine` over a folder."""

    environment = "small"

    def __init__(self, folder: Path) -> None:
        self.folder, self.told = folder, list[JobId]()

    def check(self, algorithm: bytes, *, max_duration_s: int) -> None:
        return None

    def tell(self, job: JobId) -> None:
        self.told.append(job)

    async def results(self, job: JobId) -> Sequence[ResultFile]:
        files = sorted((self.folder / job).iterdir()) if (self.folder / job).is_dir() else []
        return [
            ResultFile(filename=file.name, bytes_=file.stat().st_size, type="output", index=index)
            for index, file in enumerate(files)
        ]

    async def result(self, job: JobId, index: int) -> tuple[ResultFile, Path]:
        found = await self.results(job)
        if index >= len(found):
            raise FixTheRequest(f"job {job} has {len(found)} results, and none of index {index}")
        return found[index], self.folder / job / found[index].filename


def archive(tmp_path: Path) -> Archive:
    (tmp_path / "archive" / "f").mkdir(parents=True)
    (tmp_path / "archive" / "f" / "algorithm.log").write_bytes(b"it ran\n")
    (tmp_path / "archive" / "f" / "outputs.tar").write_bytes(bytes(range(256)) * 1000)
    return Archive(tmp_path / "archive")


async def test_results_are_listed_and_downloaded_byte_by_byte(tmp_path: Path) -> None:
    async with open_house(tmp_path, engine=archive(tmp_path)) as house:
        await house.start("f", payment=...)
        listed = await house.get("/v1/jobs/f/results")
        assert [(file["filename"], file["size_bytes"], file["href"]) for file in listed["results"]] == [
            ("algorithm.log", 7, "/v1/jobs/f/results/0"),
            ("outputs.tar", 256_000, "/v1/jobs/f/results/1"),
        ]
        reply = await house.ask("GET", "/v1/jobs/f/results/1")
        assert (reply.status, reply.raw) == (200, bytes(range(256)) * 1000)
        assert reply.headers["content-type"] == "application/octet-stream"
        assert reply.headers["content-disposition"] == 'attachment; filename="outputs.tar"'
        assert reply.headers["x-content-type-options"] == "nosniff"


async def test_a_result_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    async with open_house(tmp_path, engine=archive(tmp_path)) as house:
        await house.start("f", payment=...)
        await house.start("g", payment=...)
        assert (await house.get("/v1/jobs/g/results"))["results"] == []
        for path in ("f/results/2", "g/results/0", *(f"f/results/{i}" for i in ("x", "-1", "1.5", "1e3"))):
            reply = await house.ask("GET", "/v1/jobs/" + path)
            assert (reply.status, reply.json["type"]) == (404, "/docs#unknown"), path
        assert (await house.ask("GET", "/v1/jobs/f/results/" + "9" * 50)).status == 404


async def test_results_of_an_engine_elsewhere_are_not_here(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        await house.start("f", payment=...)
        await house.report("f", *FREE)
        for path in ("/v1/jobs/f/results", "/v1/jobs/f/results/0"):
            reply = await house.ask("GET", path)
            assert reply.status == 404 and "a compute engine elsewhere, which keeps them" in reply.json["detail"]


async def test_nobody_else_reports_about_a_job_of_our_own_engine(tmp_path: Path) -> None:
    async with open_house(tmp_path, engine=archive(tmp_path)) as house:
        await house.start("f", payment=...)
        before = house.stored()
        reply = await house.ask("POST", "/v1/jobs/f/events", {"status": 10})
        assert (reply.status, house.stored()) == (409, before)
        assert "run by this gateway's own compute engine" in reply.json["detail"]


async def test_our_own_engine_is_told_of_a_stop(tmp_path: Path) -> None:
    engine = archive(tmp_path)
    async with open_house(tmp_path, engine=engine) as house:
        await house.start("f", payment=...)
        await house.ask("POST", "/v1/jobs/f/stop")
        assert engine.told[-1] == "f"


async def test_a_download_works_over_a_real_socket_in_parts_too(tmp_path: Path) -> None:
    import aiohttp

    async with open_house(tmp_path, engine=archive(tmp_path)) as house, serve(house.app) as (host, port):
        await house.start("f", payment=...)
        url = f"http://{host}:{port}/v1/jobs/f/results/1"
        async with aiohttp.ClientSession() as session:
            async with session.get(url) as reply:
                assert await reply.read() == bytes(range(256)) * 1000
            async with session.get(url, headers={"range": "bytes=10-19"}) as reply:
                assert (reply.status, await reply.read()) == (206, bytes(range(10, 20)))
            async with session.head(url) as reply:
                assert (reply.status, reply.headers["content-length"]) == (200, "256000")
