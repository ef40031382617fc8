"""The troubled nodes as a process: `python -m headrace.app.chaos.nodes_process --upstream URL --ws URL --seed N`.

Owns      a control port beside the two nodes' own: trouble on and off, what was done, attempts that were seen.
Promises  prints one line of JSON, {"http", "ws", "control"}, when all of them listen; ends with SIGTERM.

Control:  POST /trouble {"on": true}; GET /counts; POST /others {"raw": "0x..."}: other attempts at that nonce.
"""

import argparse
import asyncio
import json
import signal
import sys

import uvloop
from aiohttp import web

from headrace.app.chaos.attempts import AttemptsSeen
from headrace.app.chaos.heads import follow_heads
from headrace.app.chaos.nodes import TroubledNodes, open_troubled_nodes
from headrace.testing.rpc_client import open_rpc


def control_app(nodes: TroubledNodes) -> web.Application:
    async def trouble(request: web.Request) -> web.Response:
        nodes.trouble(on=bool((await request.json())["on"]))
        return web.json_response({})

    async def counts(request: web.Request) -> web.Response:
        return web.json_response(nodes.counts())

    async def others(request: web.Request) -> web.Response:
        raw = bytes.fromhex((await request.json())["raw"][2:])
        return web.json_response(["0x" + other.hex() for other in nodes.attempts.others(raw)])

    app = web.Application()
    app.router.add_post("/trouble", trouble)
    app.router.add_get("/counts", counts)
    app.router.add_post("/others", others)
    return app


async def serve(upstream_http: str, upstream_ws: str, seed: int) -> None:
    ended = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, ended.set)
    nodes = TroubledNodes(AttemptsSeen())
    async with (
        open_rpc(upstream_http) as rpc,
        follow_heads(rpc) as heads,
        open_troubled_nodes(upstream_http, upstream_ws, heads, nodes, seed=seed) as access,
    ):
        runner = web.AppRunner(control_app(nodes), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            host, port = runner.addresses[0][:2]
            line = {"http": access.http, "ws": access.ws, "control": f"http://{host}:{port}"}
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()
            await ended.wait()
        finally:
            await runner.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m headrace.app.chaos.nodes_process", description=__doc__)
    parser.add_argument("--upstream", required=True, help="HTTP URL of the chain")
    parser.add_argument("--ws", required=True, help="its WebSocket URL")
    parser.add_argument("--seed", type=int, required=True)
    options = parser.parse_args()
    uvloop.run(serve(options.upstream, options.ws, options.seed))


if __name__ == "__main__":
    main()
