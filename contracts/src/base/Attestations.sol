// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IOperatorRegistry} from "../interfaces/IOperatorRegistry.sol";
import {ITaskManager} from "../interfaces/ITaskManager.sol";
import {BLS12381, G1Point, G2Point} from "../libraries/BLS12381.sol";
import {JointCheck, JointItem} from "../libraries/JointCheck.sol";
import {Attestation} from "../types/TaskTypes.sol";

/// @title What operators signed, checked one by one or many together
/// @notice What was checked together is remembered until the transaction ends, so that each answer is then recorded
/// without a check of its own. Nothing that is remembered is more than what a check of its own would have found.
abstract contract Attestations is ITaskManager {
    /// @dev Attestations on their way through one check. `keyOf` is by signers.
    struct Together {
        JointItem[] items;
        bytes32[] marks;
        uint256[] stakes;
        uint256 count;
        Signers[] signers;
        uint256 signersCount;
        G2Point[] keys;
        uint256 keysCount;
        bytes32 seed;
    }

    /// @dev Who signed, of which quorum. `stakes`: of all, then of the signers, 128 bits each.
    struct Signers {
        uint32 blockNumber;
        uint256 nonSigners;
        uint256 stakes;
        uint256 key;
    }

    bytes32 private constant ATTESTATION_TYPEHASH = keccak256(
        "HeadraceAttestation(uint256 chainId,address taskManager,bytes32 taskHash,bytes32 responseHash)"
    );
    bytes private constant ATTESTATION_DST = "HEADRACE-ATTEST-V01-BLS12381G1_XMD:SHA-256_SSWU_RO_";

    uint256 private constant SIGNATURE_LENGTH = 96;
    uint256 private constant SIGNATURE_DATA_LENGTH = 128;

    /// @dev More than what it takes to read one attestation and hash its message, without asking the registry.
    uint256 private constant GAS_TO_READ = 30_000;

    /// @dev Of fewer, each checked alone costs hardly more than trying again together.
    uint256 private constant HALF_LEAST = 4;

    /// @inheritdoc ITaskManager
    IOperatorRegistry public immutable registry;

    constructor(IOperatorRegistry registry_) {
        registry = registry_;
    }

    /// @inheritdoc ITaskManager
    function proveTogether(Attestation[] calldata attestations) external {
        uint256 length = attestations.length;
        if (length < 2) return; // alone it is cheaper where it is used
        Together memory all;
        all.items = new JointItem[](length);
        all.marks = new bytes32[](length);
        all.stakes = new uint256[](length);
        all.signers = new Signers[](length);
        all.keys = new G2Point[](length);
        // Of all that is checked: only so are the factors known to nobody who could still choose.
        all.seed = keccak256(msg.data);
        for (uint256 i; i < length && gasleft() >= _gasToCheckOneMore(all, 0) + GAS_TO_READ; ++i) {
            _add(all, attestations[i]);
        }
        G2Point[] memory keys = all.keys;
        uint256 keysCount = all.keysCount;
        assembly ("memory-safe") {
            mstore(keys, keysCount)
        }
        if (all.count > 1) _prove(all, 0, all.count);
    }

    /// @dev Reverts unless these signers, with enough of the stake, signed this.
    function _checkSignature(uint32 blockNumber, uint32 percentage, bytes32 digest, bytes calldata signatureData)
        internal
        view
    {
        if (signatureData.length != SIGNATURE_DATA_LENGTH) revert InvalidSignatureLength(signatureData.length);
        uint256 stakes = _proven(_mark(blockNumber, digest, signatureData));
        if (stakes != 0) return _checkStake(stakes >> 128, uint128(stakes), percentage);
        (uint128 totalStake, uint128 signedStake, G2Point memory signersKey) =
            registry.signersAt(blockNumber, uint256(bytes32(signatureData[SIGNATURE_LENGTH:])));
        _checkStake(totalStake, signedStake, percentage);
        if (!BLS12381.verify(BLS12381.toG1(signatureData), abi.encodePacked(digest), ATTESTATION_DST, signersKey)) revert InvalidBLSSignature();
    }

    function _checkStake(uint256 totalStake, uint256 signedStake, uint32 percentage) private pure {
        if (signedStake * 100 < totalStake * percentage) revert InsufficientQuorumStake();
    }

    function _attestationDigest(bytes32 taskHash, bytes32 responseHash) internal view returns (bytes32) {
        return keccak256(abi.encode(ATTESTATION_TYPEHASH, block.chainid, address(this), taskHash, responseHash));
    }

    /// @dev What cannot be checked is left out: it meets its own error where it is used.
    function _add(Together memory all, Attestation calldata one) private view {
        bytes calldata signatureData = one.signatureData;
        if (signatureData.length != SIGNATURE_DATA_LENGTH) return;
        G1Point memory signature = BLS12381.toG1(signatureData);
        if (BLS12381.isInfinity(signature)) return;
        uint32 blockNumber = one.taskCreatedBlock;
        (bool known, Signers memory signers) =
            _signers(all, blockNumber, uint256(bytes32(signatureData[SIGNATURE_LENGTH:])));
        if (!known) return;
        bytes32 digest = _attestationDigest(one.taskHash, one.responseHash);
        uint256 place = all.count++;
        JointItem memory item = all.items[place];
        item.signature = signature;
        item.hashed = BLS12381.hashToG1(abi.encodePacked(digest), ATTESTATION_DST);
        item.factor = uint128(uint256(keccak256(abi.encode(all.seed, place))));
        item.key = signers.key;
        all.marks[place] = _mark(blockNumber, digest, signatureData);
        all.stakes[place] = signers.stakes;
    }

    function _signers(Together memory all, uint32 blockNumber, uint256 nonSigners)
        private
        view
        returns (bool, Signers memory signers)
    {
        uint256 count = all.signersCount;
        for (uint256 i; i < count; ++i) {
            signers = all.signers[i];
            if (signers.blockNumber == blockNumber && signers.nonSigners == nonSigners) return (true, signers);
        }
        uint256 reserved = _gasToCheckOneMore(all, 1) + GAS_TO_READ;
        if (gasleft() < reserved) return (false, signers);
        try registry.signersAt{gas: gasleft() - reserved}(blockNumber, nonSigners) returns (
            uint128 totalStake, uint128 signedStake, G2Point memory key
        ) {
            signers = all.signers[count];
            signers.blockNumber = blockNumber;
            signers.nonSigners = nonSigners;
            signers.stakes = _pack(totalStake, signedStake);
            signers.key = _placeOfKey(all, key);
            all.signersCount = count + 1;
            return (true, signers);
        } catch {
            return (false, signers);
        }
    }

    function _placeOfKey(Together memory all, G2Point memory key) private pure returns (uint256 place) {
        while (place < all.keysCount && !_same(all.keys[place], key)) {
            ++place;
        }
        if (place == all.keysCount) {
            all.keys[place] = key;
            ++all.keysCount;
        }
    }

    /// @dev Who holds is marked. Where somebody does not, each half is looked at by itself, while gas lasts and there
    /// are enough in it to be worth it.
    function _prove(Together memory all, uint256 from, uint256 to) private {
        if (gasleft() < JointCheck.gasNeeded(to - from, all.keysCount)) return;
        if (!JointCheck.holds(all.items, all.keys, from, to)) {
            if (to - from < 2 * HALF_LEAST) return;
            uint256 middle = (from + to) / 2;
            _prove(all, from, middle);
            _prove(all, middle, to);
            return;
        }
        for (uint256 i = from; i < to; ++i) {
            bytes32 mark = all.marks[i];
            uint256 stakes = all.stakes[i];
            assembly ("memory-safe") {
                tstore(mark, stakes)
            }
        }
    }

    /// @dev Of those who are in so far, and one more, with so many keys more.
    function _gasToCheckOneMore(Together memory all, uint256 moreKeys) private pure returns (uint256) {
        return JointCheck.gasNeeded(all.count + 1, all.keysCount + moreKeys);
    }

    function _proven(bytes32 mark) private view returns (uint256 stakes) {
        assembly ("memory-safe") {
            stakes := tload(mark)
        }
    }

    /// @dev Everything that a check of its own depends on: the hash of reference block, digest and signature data,
    /// which has its 128 bytes.
    function _mark(uint32 blockNumber, bytes32 digest, bytes calldata signatureData)
        private
        pure
        returns (bytes32 mark)
    {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, blockNumber)
            mstore(add(free, 32), digest)
            calldatacopy(add(free, 64), signatureData.offset, 128)
            mark := keccak256(free, 192)
        }
    }

    /// @dev Never zero: there is no quorum without stake.
    function _pack(uint128 totalStake, uint128 signedStake) private pure returns (uint256) {
        return uint256(totalStake) << 128 | signedStake;
    }

    function _same(G2Point memory a, G2Point memory b) private pure returns (bool) {
        return keccak256(abi.encode(a)) == keccak256(abi.encode(b));
    }
}
