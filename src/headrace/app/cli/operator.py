"""`headrace operator`"""

from pathlib import Path

import click
import uvloop

from headrace.app.cli.options import AddressType
from headrace.core.words import Address, ChainId


@click.command()
@click.option("--address", type=AddressType(), required=True, help="The operator's address in the registry.")
@click.option(
    "--keystore", type=click.Path(path_type=Path), required=True, help="Its BLS key (EIP-2335 keystore)."
)
@click.option(
    "--passphrase-env", metavar="NAME", required=True, help="The variable that holds the keystore's passphrase."
)
@click.option("--chain-id", type=click.IntRange(min=1), required=True)
@click.option("--task-manager", type=AddressType(), required=True, help="The contract that it signs for.")
@click.option("--policies", type=click.Path(path_type=Path), required=True, help="A folder of policy files.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="0: one that is free.")
def operator(
    address: Address,
    keystore: Path,
    passphrase_env: str,
    chain_id: int,
    task_manager: Address,
    policies: Path,
    host: str,
    port: int,
) -> None:
    """Run one operator: evaluates tasks under their clients' policies, and signs what they allow."""
    from headrace.app.operator_process import OperatorOptions, run_operator

    options = OperatorOptions(
        address=address,
        keystore=keystore,
        passphrase_env=passphrase_env,
        chain=ChainId(chain_id),
        task_manager=task_manager,
        policies=policies,
        host=host,
        port=port,
    )
    uvloop.run(run_operator(options))
