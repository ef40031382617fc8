// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BLS12381, G1Point, G2Point} from "./BLS12381.sol";

/// @notice A signature that waits to be checked with others.
/// @param hashed the message as a point
/// @param factor its random number, of 128 bits
/// @param key which of the keys it is said to be of
struct JointItem {
    G1Point signature;
    G1Point hashed;
    uint256 factor;
    uint256 key;
}

/// @title Many BLS signatures checked together
/// @notice With s for the signatures, h for the hashed messages and r for the factors, one pairing shows that
/// e(sum of r*s, -G2) times, for each key, e(sum of r*h, key) is one. Where each signature holds that is so; where one
/// does not it is so with a chance of 2^-128, as long as the factors follow from all that is checked (Bellare,
/// Garay, Rabin 1998, "small exponents test"). So who passes here would pass alone.
/// @dev The multiplications check that each point is in its group, which additions would not.
library JointCheck {
    uint256 private constant G1_MSM = 0x0c;
    uint256 private constant PAIRING = 0x0f;

    uint256 private constant TERM_GAS = 12_000; // costs that for one, and less for each of several
    uint256 private constant PAIR_GAS = 40_000; // costs 32,600
    uint256 private constant PAIRING_GAS = 47_000; // costs 37,700

    uint256 private constant TERM_WORDS = 5;
    uint256 private constant PAIR_WORDS = 12;

    /// @notice More gas than checking so many can need: what the precompiles are given, and what is done around them.
    function gasNeeded(uint256 items, uint256 keys) internal pure returns (uint256) {
        return PAIRING_GAS + 10_000 + items * (2 * TERM_GAS + 4_000 + keys * 150) + (keys + 1) * (PAIR_GAS + 4_000);
    }

    /// @notice Whether the items from `from` up to `to`, without it, all hold. Needs `gasNeeded`.
    function holds(JointItem[] memory items, G2Point[] memory keys, uint256 from, uint256 to)
        internal
        view
        returns (bool)
    {
        uint256[] memory terms = new uint256[](TERM_WORDS * (to - from));
        uint256[] memory pairs = new uint256[](PAIR_WORDS * (keys.length + 1));
        for (uint256 i = from; i < to; ++i) {
            _putTerm(terms, i - from, items[i].signature, items[i].factor);
        }
        if (!_sum(terms, to - from, pairs, 0)) return false;
        _putKey(pairs, 0, BLS12381.negatedGenerator());
        uint256 pairCount = 1;
        for (uint256 key; key < keys.length; ++key) {
            uint256 count;
            for (uint256 i = from; i < to; ++i) {
                if (items[i].key == key) _putTerm(terms, count++, items[i].hashed, items[i].factor);
            }
            if (count == 0) continue;
            if (!_sum(terms, count, pairs, pairCount)) return false;
            _putKey(pairs, pairCount++, keys[key]);
        }
        return _isOne(pairs, pairCount);
    }

    function _putTerm(uint256[] memory terms, uint256 index, G1Point memory point, uint256 factor) private pure {
        assembly ("memory-safe") {
            let term := add(add(terms, 32), mul(160, index))
            mcopy(term, point, 128)
            mstore(add(term, 128), factor)
        }
    }

    function _putKey(uint256[] memory pairs, uint256 index, G2Point memory key) private pure {
        assembly ("memory-safe") {
            mcopy(add(add(pairs, 160), mul(384, index)), key, 256)
        }
    }

    /// @dev The sum of the first terms, as the point of a pair. False where a point is malformed.
    function _sum(uint256[] memory terms, uint256 count, uint256[] memory pairs, uint256 index)
        private
        view
        returns (bool ok)
    {
        uint256 bound = TERM_GAS * count;
        assembly ("memory-safe") {
            let sum := add(add(pairs, 32), mul(384, index))
            ok := staticcall(bound, G1_MSM, add(terms, 32), mul(160, count), sum, 128)
            ok := and(ok, eq(returndatasize(), 128))
        }
    }

    function _isOne(uint256[] memory pairs, uint256 count) private view returns (bool one) {
        uint256 bound = PAIRING_GAS + PAIR_GAS * count;
        assembly ("memory-safe") {
            one := staticcall(bound, PAIRING, add(pairs, 32), mul(384, count), 0, 32)
            one := and(and(one, eq(returndatasize(), 32)), eq(mload(0), 1))
        }
    }
}
