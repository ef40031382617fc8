"""What is asked of `/v1`: bodies and queries, as types.

Owns      names, shapes and bounds. OpenAPI is generated from these, and requests are checked by them.
Leaves    checksums of addresses and digits of decimals to `api.wire` and `core.terms`, which say it better.
"""

from typing import Annotated, Any, Final

from msgspec import Meta, Struct, field

from headrace.core.job import JobStatus
from headrace.core.terms import DURATION_S_MAX, RESOURCES_MAX
from headrace.jobs.reporting import DETAIL_CHARS_MAX
from headrace.jobs.starting import (
    ALGORITHM_BYTES_MAX,
    ID_CHARACTERS_MAX,
    METADATA_CHARS_MAX,
    NAME_CHARACTERS_MAX,
)

VALUES_MAX: Final = 100  # of one filter
PAGE: Final = 100
PAGE_MAX: Final = 500
UNIX_S_MAX: Final = 253_402_300_799  # the last second of the year 9999
_INT64: Final = 2**63 - 1
_EXIT_CODE: Final = 2**31 - 1

AddressText = Annotated[
    str,
    Meta(
        description="0x and 40 hex digits, not zero. In mixed case the EIP-55 checksum must hold.",
        extra_json_schema={"pattern": "^0x[0-9a-fA-F]{40}$"},
    ),
]
CURSOR: Final = r"^[0-9]{1,20}(\.[0-9]{1,20})?_[0-9]{1,18}$"
UnixSeconds = Annotated[float, Meta(ge=0, le=UNIX_S_MAX, description="Unix seconds.")]
Limit = Annotated[int, Meta(ge=1, le=PAGE_MAX, description="How many are on a page.")]


class PaymentWishForm(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """Who pays in what. Prices, decimals and the payee are the service's: GET /v1/environments shows them."""

    chain_id: Annotated[int, Meta(ge=1, le=_INT64)]
    token: AddressText
    resources: Annotated[
        dict[str, str],
        Meta(
            min_length=1,
            max_length=RESOURCES_MAX,
            description="How much of each resource, as decimal text without sign or exponent.",
        ),
    ]
    payer: Annotated[AddressText | None, Meta(description="Whose deposit pays. Default: the owner.")] = None


class StartForm(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """A job to start. The same id with the same content is the same job, however often it is sent."""

    owner: AddressText
    environment: Annotated[str, Meta(max_length=NAME_CHARACTERS_MAX)]
    algorithm: Annotated[
        dict[str, Any],
        Meta(
            description="What the compute engine is to run, in its own form; at most "
            f"{ALGORITHM_BYTES_MAX} bytes as compact JSON."
        ),
    ]
    id: Annotated[
        str | None,
        Meta(
            description="Chosen by the client, so that asking twice is asking once. Letters, digits and . _ : -, "
            f"at most {ID_CHARACTERS_MAX}. Without it one is made, and nothing protects against asking twice."
        ),
    ] = None
    metadata: Annotated[
        Any, Meta(description=f"Any JSON of the client; at most {METADATA_CHARS_MAX} characters when compact.")
    ] = None
    max_duration_s: Annotated[
        Annotated[int, Meta(ge=1, le=DURATION_S_MAX)] | None,
        Meta(description="Default: as long as the environment allows."),
    ] = None
    queue_max_wait_s: Annotated[
        Annotated[int, Meta(ge=0, le=DURATION_S_MAX)] | None,
        Meta(description="How long it may wait for room. Default: not at all."),
    ] = None
    payment: Annotated[PaymentWishForm | None, Meta(description="Absent: a free job.")] = None


class EventForm(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """What a compute engine reports. The same event twice is one."""

    status: JobStatus
    at: Annotated[
        UnixSeconds | None,
        Meta(
            description="Since when, by the engine's clock (unix seconds). Absent where the engine does not know: "
            "a run is billed only for what is known."
        ),
    ] = None
    detail: Annotated[str, Meta(max_length=DETAIL_CHARS_MAX)] | None = None
    exit_code: Annotated[int, Meta(ge=-_EXIT_CODE - 1, le=_EXIT_CODE)] | None = None
    out_of_memory: bool | None = None


class EmptyForm(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """Nothing has to be said."""


class NoQuery(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """No parameters."""


class JobsQuery(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """Several values of one parameter (repeated, or with commas between) widen a list, several parameters narrow
    it."""

    environment: Annotated[list[str], Meta(max_length=VALUES_MAX, description="In any of these.")] = []
    status: Annotated[
        list[JobStatus], Meta(max_length=VALUES_MAX, description="In any of these; 0 like any other.")
    ] = []
    owner: Annotated[list[AddressText], Meta(max_length=VALUES_MAX, description="Of any of these.")] = []
    created_from: Annotated[
        UnixSeconds | None, Meta(description="Started at this moment or later, in unix seconds.")
    ] = field(default=None, name="from")
    limit: Limit = PAGE
    cursor: Annotated[
        str | None,
        Meta(
            description="As the page before ended with.",
            extra_json_schema={"pattern": CURSOR},
        ),
    ] = None


class RunsQuery(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    limit: Limit = PAGE
    cursor: Annotated[
        Annotated[int, Meta(ge=1, le=_INT64)] | None, Meta(description="As the page before ended with.")
    ] = None
