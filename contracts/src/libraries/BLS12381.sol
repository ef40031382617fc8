// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {GasFloor} from "./GasFloor.sol";

/// @notice A point of G1 as EIP-2537 encodes it: each coordinate is 64 bytes, the first 16 of them zero.
struct G1Point {
    uint256 xHigh;
    uint256 xLow;
    uint256 yHigh;
    uint256 yLow;
}

/// @notice A point of G2 as EIP-2537 encodes it: x.c0, x.c1, y.c0, y.c1, each 64 bytes, the first 16 of them zero.
struct G2Point {
    uint256 x0High;
    uint256 x0Low;
    uint256 x1High;
    uint256 x1Low;
    uint256 y0High;
    uint256 y0Low;
    uint256 y1High;
    uint256 y1Low;
}

/// @title BLS signatures on BLS12-381 by the precompiles of EIP-2537: keys in G2, signatures in G1
/// @dev A precompile that dislikes its input takes all the gas it was given. Each is therefore given a bound: what
/// it costs today and some room, so that a malformed point costs an item about what a good one does.
/// The pairing checks that both its points are in their groups; the additions only check the curve.
library BLS12381 {
    /// @notice Thrown when the chain has no EIP-2537, or a point that was checked before is refused.
    error BLS12381_PrecompileFailed(uint256 precompile);

    uint256 private constant MODEXP = 0x05;
    uint256 private constant G1_ADD = 0x0b;
    uint256 private constant G2_ADD = 0x0d;
    uint256 private constant PAIRING = 0x0f;
    uint256 private constant MAP_FP_TO_G1 = 0x10;

    uint256 private constant MODEXP_GAS = 2_000; // costs 500 by EIP-7883
    uint256 private constant G1_ADD_GAS = 1_000; // costs 375
    uint256 private constant G2_ADD_GAS = 1_500; // costs 600
    uint256 private constant MAP_FP_TO_G1_GAS = 8_000; // costs 5,500
    uint256 private constant PAIRING_GAS = 130_000; // costs 102,900 for two pairs

    // The field's modulus, in the two words that hold it.
    uint256 private constant P_HIGH = 0x1a0111ea397fe69a4b1ba7b6434bacd7;
    uint256 private constant P_LOW = 0x64774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab;

    // The generator of G2, negated.
    uint256 private constant NEG_G2_X0_HIGH = 0x024aa2b2f08f0a91260805272dc51051;
    uint256 private constant NEG_G2_X0_LOW = 0xc6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8;
    uint256 private constant NEG_G2_X1_HIGH = 0x13e02b6052719f607dacd3a088274f65;
    uint256 private constant NEG_G2_X1_LOW = 0x596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e;
    uint256 private constant NEG_G2_Y0_HIGH = 0x0d1b3cc2c7027888be51d9ef691d77bc;
    uint256 private constant NEG_G2_Y0_LOW = 0xb679afda66c73f17f9ee3837a55024f78c71363275a75d75d86bab79f74782aa;
    uint256 private constant NEG_G2_Y1_HIGH = 0x13fa4d4a0ad8b1ce186ed5061789213d;
    uint256 private constant NEG_G2_Y1_LOW = 0x993923066dddaf1040bc3ff59f825c78df74f2d75467e25e0f55f8a00fa030ed;

    /// @notice Whether `signature` is that of the secret key behind `publicKey` over `message`: whether
    /// e(signature, -G2) * e(H(message), publicKey) is one.
    /// @dev False for every malformed point. The point at infinity is no signature.
    function verify(G1Point memory signature, bytes memory message, bytes memory dst, G2Point memory publicKey)
        internal
        view
        returns (bool)
    {
        if (isInfinity(signature)) return false;
        G1Point memory h = hashToG1(message, dst);
        uint256[24] memory input = [
            signature.xHigh,
            signature.xLow,
            signature.yHigh,
            signature.yLow,
            NEG_G2_X0_HIGH,
            NEG_G2_X0_LOW,
            NEG_G2_X1_HIGH,
            NEG_G2_X1_LOW,
            NEG_G2_Y0_HIGH,
            NEG_G2_Y0_LOW,
            NEG_G2_Y1_HIGH,
            NEG_G2_Y1_LOW,
            h.xHigh,
            h.xLow,
            h.yHigh,
            h.yLow,
            publicKey.x0High,
            publicKey.x0Low,
            publicKey.x1High,
            publicKey.x1Low,
            publicKey.y0High,
            publicKey.y0Low,
            publicKey.y1High,
            publicKey.y1Low
        ];
        uint256[1] memory output;
        bool ok;
        uint256 gasBefore = gasleft();
        assembly ("memory-safe") {
            ok := staticcall(PAIRING_GAS, PAIRING, input, 768, output, 32)
            ok := and(ok, eq(returndatasize(), 32))
        }
        if (!ok) GasFloor.requireBoundWasGiven(gasBefore, PAIRING_GAS);
        return ok && output[0] == 1;
    }

    /// @notice The message as a point of G1: RFC 9380, BLS12381G1_XMD:SHA-256_SSWU_RO_.
    /// @param dst The domain separation tag, at most 255 bytes.
    function hashToG1(bytes memory message, bytes memory dst) internal view returns (G1Point memory) {
        (uint256 u0High, uint256 u0Low, uint256 u1High, uint256 u1Low) = _expandMessage(message, dst);
        return add(_mapToG1(u0High, u0Low), _mapToG1(u1High, u1Low));
    }

    /// @notice The sum of two points of the curve over the base field.
    function add(G1Point memory a, G1Point memory b) internal view returns (G1Point memory sum) {
        uint256[8] memory input = [a.xHigh, a.xLow, a.yHigh, a.yLow, b.xHigh, b.xLow, b.yHigh, b.yLow];
        bool ok;
        uint256 gasBefore = gasleft();
        assembly ("memory-safe") {
            ok := staticcall(G1_ADD_GAS, G1_ADD, input, 256, sum, 128)
            ok := and(ok, eq(returndatasize(), 128))
        }
        _checkCall(ok, gasBefore, G1_ADD_GAS, G1_ADD);
    }

    /// @notice The sum of two points of the curve over the extension field.
    function add(G2Point memory a, G2Point memory b) internal view returns (G2Point memory sum) {
        uint256[16] memory input = [
            a.x0High,
            a.x0Low,
            a.x1High,
            a.x1Low,
            a.y0High,
            a.y0Low,
            a.y1High,
            a.y1Low,
            b.x0High,
            b.x0Low,
            b.x1High,
            b.x1Low,
            b.y0High,
            b.y0Low,
            b.y1High,
            b.y1Low
        ];
        bool ok;
        uint256 gasBefore = gasleft();
        assembly ("memory-safe") {
            ok := staticcall(G2_ADD_GAS, G2_ADD, input, 512, sum, 256)
            ok := and(ok, eq(returndatasize(), 256))
        }
        _checkCall(ok, gasBefore, G2_ADD_GAS, G2_ADD);
    }

    /// @notice The point that adds up with this one to infinity.
    function negate(G2Point memory a) internal pure returns (G2Point memory negated) {
        (uint256 y0High, uint256 y0Low) = _negateInField(a.y0High, a.y0Low);
        (uint256 y1High, uint256 y1Low) = _negateInField(a.y1High, a.y1Low);
        return G2Point(a.x0High, a.x0Low, a.x1High, a.x1Low, y0High, y0Low, y1High, y1Low);
    }

    /// @notice What a signature is paired with: the generator of G2, negated.
    function negatedGenerator() internal pure returns (G2Point memory) {
        return G2Point(
            NEG_G2_X0_HIGH,
            NEG_G2_X0_LOW,
            NEG_G2_X1_HIGH,
            NEG_G2_X1_LOW,
            NEG_G2_Y0_HIGH,
            NEG_G2_Y0_LOW,
            NEG_G2_Y1_HIGH,
            NEG_G2_Y1_LOW
        );
    }

    /// @notice Reads a signature: x and y, 48 bytes each, no padding. Any 96 bytes are read; `verify` judges them.
    function toG1(bytes calldata signature) internal pure returns (G1Point memory) {
        return G1Point({
            xHigh: uint128(bytes16(signature[0:16])),
            xLow: uint256(bytes32(signature[16:48])),
            yHigh: uint128(bytes16(signature[48:64])),
            yLow: uint256(bytes32(signature[64:96]))
        });
    }

    function isInfinity(G1Point memory a) internal pure returns (bool) {
        return (a.xHigh | a.xLow | a.yHigh | a.yLow) == 0;
    }

    function isInfinity(G2Point memory a) internal pure returns (bool) {
        return (a.x0High | a.x0Low | a.x1High | a.x1Low | a.y0High | a.y0Low | a.y1High | a.y1Low) == 0;
    }

    /// @dev expand_message_xmd of RFC 9380 with SHA-256, for 128 bytes: two field elements of 64 bytes.
    function _expandMessage(bytes memory message, bytes memory dst)
        private
        pure
        returns (uint256 b1, uint256 b2, uint256 b3, uint256 b4)
    {
        bytes memory dstPrime = abi.encodePacked(dst, uint8(dst.length));
        uint256 b0 =
            uint256(sha256(abi.encodePacked(uint256(0), uint256(0), message, uint16(128), uint8(0), dstPrime)));
        bytes memory block_ = abi.encodePacked(b0, uint8(1), dstPrime);
        b1 = uint256(sha256(block_));
        b2 = _hashNext(block_, b0 ^ b1, 2);
        b3 = _hashNext(block_, b0 ^ b2, 3);
        b4 = _hashNext(block_, b0 ^ b3, 4);
    }

    /// @dev These blocks differ in their first 33 bytes only. Writing them over each other, in place of another
    /// abi.encodePacked, saves 680 gas of a signature check.
    function _hashNext(bytes memory block_, uint256 head, uint256 counter) private pure returns (uint256) {
        assembly ("memory-safe") {
            mstore(add(block_, 32), head)
            mstore8(add(block_, 64), counter)
        }
        return uint256(sha256(block_));
    }

    /// @dev Takes 512 bits modulo the field's modulus, and maps that into G1.
    function _mapToG1(uint256 high, uint256 low) private view returns (G1Point memory point) {
        // MODEXP with the exponent one is the only reduction of 512 bits by 381 that the EVM has. The modulus is
        // given with 64 bytes so that the result comes with the 16 zero bytes that the map wants in front; the
        // exponent is one byte, after which the modulus starts off the word.
        uint256[8] memory io =
            [64, 1, 64, high, low, (1 << 248) | (P_HIGH >> 8), (P_HIGH << 248) | (P_LOW >> 8), P_LOW << 248];
        bool ok;
        uint256 gasBefore = gasleft();
        assembly ("memory-safe") {
            ok := staticcall(MODEXP_GAS, MODEXP, io, 225, io, 64)
        }
        _checkCall(ok, gasBefore, MODEXP_GAS, MODEXP);
        gasBefore = gasleft();
        assembly ("memory-safe") {
            ok := staticcall(MAP_FP_TO_G1_GAS, MAP_FP_TO_G1, io, 64, point, 128)
            ok := and(ok, eq(returndatasize(), 128))
        }
        _checkCall(ok, gasBefore, MAP_FP_TO_G1_GAS, MAP_FP_TO_G1);
    }

    /// @dev p - a, and zero for zero.
    function _negateInField(uint256 high, uint256 low) private pure returns (uint256, uint256) {
        if (high | low == 0) return (0, 0);
        unchecked {
            return (P_HIGH - high - (low > P_LOW ? 1 : 0), P_LOW - low);
        }
    }

    function _checkCall(bool ok, uint256 gasBefore, uint256 bound, uint256 precompile) private pure {
        if (ok) return;
        GasFloor.requireBoundWasGiven(gasBefore, bound);
        revert BLS12381_PrecompileFailed(precompile);
    }
}
