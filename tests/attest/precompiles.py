"""The EIP-2537 precompiles of a real chain, asked by eth_call, with points in our wire forms."""

from headrace.testing.rpc_client import RpcClient

G1ADD, G1MSM, G2ADD, PAIRING, MAP_FP_TO_G1 = 0x0B, 0x0C, 0x0D, 0x0F, 0x10
_TRUE = (1).to_bytes(32, "big")
_FIELD = int(
    "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab", 16
)


class Precompiles:
    def __init__(self, rpc: RpcClient) -> None:
        self._rpc = rpc

    async def ask(self, address: int, data: bytes) -> bytes:
        """Raises RpcRefused where the precompile fails."""
        answer = await self._rpc.ask("eth_call", {"to": f"0x{address:040x}", "data": f"0x{data.hex()}"}, "latest")
        return bytes.fromhex(answer[2:])

    async def map_to_g1(self, element: int) -> bytes:
        """96 bytes."""
        return unpad(await self.ask(MAP_FP_TO_G1, element.to_bytes(64, "big")))

    async def add_g1(self, left: bytes, right: bytes) -> bytes:
        return unpad(await self.ask(G1ADD, pad(left) + pad(right)))

    async def add_g2(self, left: bytes, right: bytes) -> bytes:
        """256 bytes each: our public keys as they are."""
        return await self.ask(G2ADD, left + right)

    async def multiply_g1(self, point: bytes, scalar: int) -> bytes:
        return unpad(await self.ask(G1MSM, pad(point) + scalar.to_bytes(32, "big")))

    async def verifies(self, signature: bytes, hashed: bytes, public_key: bytes) -> bool:
        """e(-signature, G2) * e(hashed, public key) = 1, as the contracts ask it."""
        pairs = pad(negate_g1(signature)) + G2_GENERATOR + pad(hashed) + public_key
        return await self.ask(PAIRING, pairs) == _TRUE


def pad(point: bytes) -> bytes:
    """A G1 point of 96 bytes, as the precompiles take it (128)."""
    return bytes(16) + point[:48] + bytes(16) + point[48:]


def unpad(point: bytes) -> bytes:
    return point[16:64] + point[80:]


def negate_g1(point: bytes) -> bytes:
    return point[:48] + (_FIELD - int.from_bytes(point[48:], "big")).to_bytes(48, "big")


def negate_g2(point: bytes) -> bytes:
    y = [(_FIELD - int.from_bytes(point[at : at + 64], "big")) % _FIELD for at in (128, 192)]
    return point[:128] + b"".join(part.to_bytes(64, "big") for part in y)


# From EIP-2537's "Curve parameters".
G2_GENERATOR = b"".join(
    int(text, 16).to_bytes(64, "big")
    for text in (
        "024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8",
        "13e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e",
        "0ce5d527727d6e118cc9cdc6da2e351aadfd9baa8cbdd3a76d429a695160d12c923ac9cc3baca289e193548608b82801",
        "0606c4a02ea734cc32acd2b02bc28b99cb3e287e85a763af267492ab572e99ab3f370d275cec1da1aaa9075ff05f79be",
    )
)
