// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BLS12381, G1Point, G2Point} from "../src/libraries/BLS12381.sol";
import {BlsSigner} from "./base/BlsSigner.sol";
import {vm} from "./base/Vm.sol";

contract BLS12381Test {
    using BLS12381 for G2Point;

    bytes private constant RFC_DST = "QUUX-V01-CS02-with-BLS12381G1_XMD:SHA-256_SSWU_RO_";
    bytes private constant DST = BlsSigner.ATTESTATION_DST;

    // A point of the curve over the base field that is not in the group: x = 4.
    bytes private constant OUT_OF_GROUP = hex"000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000004"
        hex"0a989badd40d6212b33cffc3f3763e9bc760f988c9926b26da9dd85e928483446346b8ed00e1de5d5ea93e354abe706c";

    function test_HashToG1_GivesThePointsOfRfc9380() external view {
        _assertHash(
            "",
            hex"052926add2207b76ca4fa57a8734416c8dc95e24501772c814278700eed6d1e4e8cf62d9c09db0fac349612b759e79a1"
            hex"08ba738453bfed09cb546dbb0783dbb3a5f1f566ed67bb6be0e8c67e2e81a4cc68ee29813bb7994998f3eae0c9c6a265"
        );
        _assertHash(
            "abc",
            hex"03567bc5ef9c690c2ab2ecdf6a96ef1c139cc0b2f284dca0a9a7943388a49a3aee664ba5379a7655d3c68900be2f6903"
            hex"0b9c15f3fe6e5cf4211f346271d7b01c8f3b28be689c8429c85b67af215533311f0b8dfaaa154fa6b88176c229f2885d"
        );
        _assertHash(
            "abcdef0123456789",
            hex"11e0b079dea29a68f0383ee94fed1b940995272407e3bb916bbf268c263ddd57a6a27200a784cbc248e84f357ce82d98"
            hex"03a87ae2caf14e8ee52e51fa2ed8eefe80f02457004ba4d486d6aa1f517c0889501dc7413753f9599b099ebcbbd2d709"
        );
        _assertHash(
            bytes.concat("q128_", _repeat("q", 128)),
            hex"15f68eaa693b95ccb85215dc65fa81038d69629f70aeee0d0f677cf22285e7bf58d7cb86eefe8f2e9bc3f8cb84fac488"
            hex"1807a1d50c29f430b8cafc4f8638dfeeadf51211e1602a5f184443076715f91bb90a48ba1e370edce6ae1062f5e6dd38"
        );
        _assertHash(
            bytes.concat("a512_", _repeat("a", 512)),
            hex"082aabae8b7dedb0e78aeb619ad3bfd9277a2f77ba7fad20ef6aabdc6c31d19ba5a6d12283553294c1825c4b3ca2dcfe"
            hex"05b84ae5a942248eea39e1d91030458c40153f3b654ab7872d779ad1e942856a20c438e8d99bc8abfbf74729ce1f7ac8"
        );
    }

    function testFuzz_HashToG1_GivesAPointOfTheGroup(bytes memory message) external view {
        G1Point memory h = BLS12381.hashToG1(message, DST);
        // The multiplication checks the group; times the order of the group is infinity.
        G1Point memory end = abi.decode(BlsSigner.multiplyG1(abi.encode(h), BlsSigner.GROUP_ORDER), (G1Point));
        vm.assertTrue(BLS12381.isInfinity(end), "the order of the group should lead to infinity");
        vm.assertFalse(BLS12381.isInfinity(h), "no message should lead to infinity");
    }

    function testFuzz_Negate_AddsUpToInfinity(uint256 key) external view {
        G2Point memory point = BlsSigner.publicPoint(_key(key));
        vm.assertTrue(point.add(point.negate()).isInfinity(), "a point and its negation should add up to infinity");
        G2Point memory twice = point.negate().negate();
        vm.assertEq(abi.encode(twice), abi.encode(point), "negating twice should change nothing");
    }

    function test_Add_InfinityChangesNothing() external view {
        G2Point memory infinity;
        G2Point memory point = BlsSigner.publicPoint(5);
        vm.assertEq(abi.encode(infinity.add(point)), abi.encode(point), "infinity should change nothing");
        vm.assertTrue(infinity.negate().isInfinity(), "infinity should be its own negation");
    }

    function testFuzz_Verify_AcceptsOwnSignature(uint256 key, bytes32 digest) external view {
        key = _key(key);
        vm.assertTrue(
            this.check(BlsSigner.sign(key, digest, DST), digest, DST, BlsSigner.publicPoint(key)),
            "a key's own signature should be accepted"
        );
    }

    function test_Verify_AcceptsAnAggregate() external view {
        bytes32 digest = keccak256("an aggregate");
        bytes memory signature = BlsSigner.sign(uint256(11 + 22 + 33), digest, DST);
        G2Point memory sum =
            BlsSigner.publicPoint(11).add(BlsSigner.publicPoint(22)).add(BlsSigner.publicPoint(33));
        vm.assertTrue(this.check(signature, digest, DST, sum), "an aggregate should be accepted");
    }

    function testFuzz_Verify_RefusesAnyOther(uint256 key, uint256 otherKey, bytes32 digest, bytes32 otherDigest)
        external
        view
    {
        key = _key(key);
        otherKey = _key(otherKey);
        if (key == otherKey || digest == otherDigest) return;
        bytes memory signature = BlsSigner.sign(key, digest, DST);
        G2Point memory publicKey = BlsSigner.publicPoint(key);
        vm.assertFalse(this.check(signature, digest, DST, BlsSigner.publicPoint(otherKey)), "another key");
        vm.assertFalse(this.check(signature, otherDigest, DST, publicKey), "another message");
        vm.assertFalse(this.check(signature, digest, BlsSigner.POSSESSION_DST, publicKey), "another tag");
    }

    function test_Verify_RefusesInfinity() external view {
        G2Point memory infinity;
        vm.assertFalse(this.check(new bytes(96), 0, DST, BlsSigner.publicPoint(3)), "infinity under a key");
        vm.assertFalse(this.check(new bytes(96), 0, DST, infinity), "infinity under infinity");
    }

    function test_Verify_RefusesMalformedPointsForABoundedPrice() external view {
        bytes32 digest = keccak256("malformed");
        bytes memory good = BlsSigner.sign(9, digest, DST);

        bytes memory notOnTheCurve = bytes.concat(good);
        notOnTheCurve[95] ^= 0x01;
        _assertRefusedCheaply(notOnTheCurve, digest, "not on the curve");

        _assertRefusedCheaply(OUT_OF_GROUP, digest, "not in the group");

        bytes memory notReduced = bytes.concat(good);
        for (uint256 i; i < 48; ++i) {
            notReduced[i] = 0xff;
        }
        _assertRefusedCheaply(notReduced, digest, "not reduced");
    }

    function testFuzz_WhenGasIsShort_GoodIsNeverCalledBad(uint256 gasGiven) external view {
        gasGiven = gasGiven % 200_000;
        bytes32 digest = keccak256("short of gas");
        bytes memory signature = BlsSigner.sign(9, digest, DST);
        try this.check{gas: gasGiven}(signature, digest, DST, BlsSigner.publicPoint(9)) returns (bool good) {
            vm.assertTrue(good, "it has to run out of gas rather than lie");
        } catch (bytes memory reason) {
            vm.assertEq(reason.length, 0, "running out of gas says nothing");
        }
    }

    function testFuzz_WhenGasIsShort_BadIsNeverCalledGood(uint256 gasGiven) external view {
        gasGiven = gasGiven % 200_000;
        bytes32 digest = keccak256("short of gas");
        bytes memory signature = BlsSigner.sign(9, digest, DST);
        try this.check{gas: gasGiven}(signature, digest, DST, BlsSigner.publicPoint(10)) returns (bool good) {
            vm.assertFalse(good, "another key's signature");
        } catch (bytes memory reason) {
            vm.assertEq(reason.length, 0, "running out of gas says nothing");
        }
    }

    function check(bytes calldata signature, bytes32 digest, bytes calldata dst, G2Point calldata publicKey)
        external
        view
        returns (bool)
    {
        return BLS12381.verify(BLS12381.toG1(signature), abi.encodePacked(digest), dst, publicKey);
    }

    function _assertRefusedCheaply(bytes memory signature, bytes32 digest, string memory why) private view {
        G2Point memory publicKey = BlsSigner.publicPoint(9);
        uint256 gasBefore = gasleft();
        vm.assertFalse(this.check(signature, digest, DST, publicKey), why);
        vm.assertLe(gasBefore - gasleft(), 165_000, "a malformed point should cost about what a good one does");
    }

    function _assertHash(bytes memory message, bytes memory expected) private view {
        vm.assertEq(BlsSigner.pack(BLS12381.hashToG1(message, RFC_DST)), expected, "a vector of RFC 9380");
    }

    function _key(uint256 key) private pure returns (uint256) {
        return 1 + key % (BlsSigner.GROUP_ORDER - 1);
    }

    function _repeat(bytes1 letter, uint256 times) private pure returns (bytes memory text) {
        text = new bytes(times);
        for (uint256 i; i < times; ++i) {
            text[i] = letter;
        }
    }
}
