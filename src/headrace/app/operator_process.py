"""One operator as a process of its own: its key, its policies, its HTTP port."""

import asyncio
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from headrace.app.listening import HttpServer, bound_socket, say_listening
from headrace.attest.keystore import read_keystore
from headrace.core.errors import NeedsOperator
from headrace.core.words import Address, ChainId
from headrace.operators.operator import Operator
from headrace.operators.policies import load_policies
from headrace.operators.service import operator_app


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorOptions:
    """`passphrase_env` names the variable that holds the keystore's passphrase. Port 0: one that is free."""

    address: Address
    keystore: Path
    passphrase_env: str
    chain: ChainId
    task_manager: Address
    policies: Path
    host: str
    port: int


async def run_operator(options: OperatorOptions) -> None:
    """Serves until SIGTERM or SIGINT. Prints one line of JSON with its URL when it listens.

    Raises NeedsOperator where the passphrase, the key or the policies cannot be used."""
    passphrase = os.environ.get(options.passphrase_env)
    if passphrase is None:
        raise NeedsOperator(f"{options.passphrase_env}: is not set; it should hold the keystore's passphrase")
    operator = Operator(
        key=read_keystore(options.keystore, passphrase=passphrase),
        address=options.address,
        chain=options.chain,
        task_manager=options.task_manager,
        policies=load_policies(options.policies),
    )
    with bound_socket(options.host, options.port) as listener:
        server = HttpServer(operator_app(operator), grace_s=2)
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, server.stop)
        say_listening(options.host, listener)
        await server.serve(sockets=[listener])
