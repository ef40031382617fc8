// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Owned} from "./base/Owned.sol";
import {IOperatorRegistry} from "./interfaces/IOperatorRegistry.sol";
import {BLS12381, G2Point} from "./libraries/BLS12381.sol";

/// @title Who may create tasks, and whose signatures count
/// @dev The words are in IOperatorRegistry.
contract OperatorRegistry is IOperatorRegistry, Owned {
    using BLS12381 for G2Point;

    /// @dev An operator's key never changes; what its stake was is remembered in `_stakes`.
    struct Operator {
        address account;
        G2Point publicKey;
    }

    struct StakeCheckpoint {
        uint32 fromBlock;
        uint96 stake;
    }

    struct QuorumCheckpoint {
        uint32 fromBlock;
        uint128 totalStake;
        G2Point aggregateKey;
    }

    bytes32 private constant POSSESSION_TYPEHASH =
        keccak256("HeadracePossession(uint256 chainId,address registry,address operator,bytes32 publicKeyHash)");
    bytes private constant POSSESSION_DST = "HEADRACE-POP-V01-BLS12381G1_XMD:SHA-256_SSWU_RO_";

    uint256 private constant OPERATORS_MAX = 256; // one bit each in the bitmap of non-signers

    /// @inheritdoc IOperatorRegistry
    mapping(address account => bool) public isTaskGenerator;
    address[] private _generators;

    Operator[] private _operators;
    mapping(address operator => uint256 indexPlusOne) private _indexPlusOne;
    mapping(bytes32 publicKeyHash => bool) private _publicKeyTaken;
    mapping(uint256 index => StakeCheckpoint[]) private _stakes;
    QuorumCheckpoint[] private _quorums;

    constructor(address owner_) Owned(owner_) {}

    /// @inheritdoc IOperatorRegistry
    function addTaskGenerator(address generator) external onlyOwner {
        if (generator == address(0)) revert OperatorRegistry_ZeroAddress();
        if (isTaskGenerator[generator]) return;
        isTaskGenerator[generator] = true;
        _generators.push(generator);
        emit TaskGeneratorAdded(generator);
    }

    /// @inheritdoc IOperatorRegistry
    function removeTaskGenerator(address generator) external onlyOwner {
        if (!isTaskGenerator[generator]) return;
        delete isTaskGenerator[generator];
        uint256 last = _generators.length - 1;
        for (uint256 i; i < last; ++i) {
            if (_generators[i] == generator) {
                _generators[i] = _generators[last];
                break;
            }
        }
        _generators.pop();
        emit TaskGeneratorRemoved(generator);
    }

    /// @inheritdoc IOperatorRegistry
    function taskGenerators() external view returns (address[] memory) {
        return _generators;
    }

    /// @inheritdoc IOperatorRegistry
    function registerOperator(address operator, bytes calldata publicKey, uint96 stake, bytes calldata possession)
        external
        onlyOwner
    {
        if (operator == address(0)) revert OperatorRegistry_ZeroAddress();
        if (_indexPlusOne[operator] != 0) revert OperatorRegistry_AlreadyRegistered(operator);
        uint256 index = _operators.length;
        if (index == OPERATORS_MAX) revert OperatorRegistry_Full();
        if (stake == 0) revert OperatorRegistry_ZeroStake();
        if (publicKey.length != 256) revert OperatorRegistry_InvalidPublicKey();
        bytes32 publicKeyHash = keccak256(publicKey);
        if (_publicKeyTaken[publicKeyHash]) revert OperatorRegistry_PublicKeyTaken(publicKeyHash);
        G2Point memory key = abi.decode(publicKey, (G2Point));
        if (key.isInfinity()) revert OperatorRegistry_InvalidPublicKey();
        // The pairing in this check is also what proves that the key is in the group and not merely on the curve.
        if (
            possession.length != 96
                || !BLS12381.verify(
                    BLS12381.toG1(possession),
                    abi.encodePacked(_possessionDigest(operator, publicKeyHash)),
                    POSSESSION_DST,
                    key
                )
        ) revert OperatorRegistry_InvalidPossession();

        _publicKeyTaken[publicKeyHash] = true;
        _indexPlusOne[operator] = index + 1;
        _operators.push(Operator({account: operator, publicKey: key}));
        emit OperatorRegistered(operator, index, publicKey, stake);
        _setStake(index, stake);
    }

    /// @inheritdoc IOperatorRegistry
    function setStake(address operator, uint96 stake) external onlyOwner {
        _setStake(indexOf(operator), stake);
    }

    /// @inheritdoc IOperatorRegistry
    function removeOperator(address operator) external onlyOwner {
        _setStake(indexOf(operator), 0);
    }

    /// @inheritdoc IOperatorRegistry
    function operators() external view returns (address[] memory accounts) {
        accounts = new address[](_operators.length);
        for (uint256 i; i < accounts.length; ++i) {
            accounts[i] = _operators[i].account;
        }
    }

    /// @inheritdoc IOperatorRegistry
    function operatorAt(uint256 index)
        external
        view
        returns (address operator, bytes memory publicKey, uint96 stake)
    {
        Operator storage found = _operators[index];
        return (found.account, abi.encode(found.publicKey), _lastStake(index));
    }

    /// @inheritdoc IOperatorRegistry
    function indexOf(address operator) public view returns (uint256) {
        uint256 indexPlusOne = _indexPlusOne[operator];
        if (indexPlusOne == 0) revert OperatorRegistry_NotRegistered(operator);
        return indexPlusOne - 1;
    }

    /// @inheritdoc IOperatorRegistry
    function stakeAt(uint256 index, uint32 blockNumber) public view returns (uint96) {
        StakeCheckpoint[] storage history = _stakes[index];
        // Almost always the last one: stakes change rarely, and references are recent.
        uint256 end = history.length;
        while (end > 0 && history[end - 1].fromBlock > blockNumber) {
            --end;
        }
        return end == 0 ? 0 : history[end - 1].stake;
    }

    /// @inheritdoc IOperatorRegistry
    function quorumAt(uint32 blockNumber) external view returns (uint128 totalStake, bytes memory aggregateKey) {
        QuorumCheckpoint storage quorum = _quorumAt(blockNumber);
        return (quorum.totalStake, abi.encode(quorum.aggregateKey));
    }

    /// @inheritdoc IOperatorRegistry
    function signersAt(uint32 blockNumber, uint256 nonSigners)
        external
        view
        returns (uint128 totalStake, uint128 signedStake, G2Point memory signersKey)
    {
        QuorumCheckpoint storage quorum = _quorumAt(blockNumber);
        totalStake = quorum.totalStake;
        signedStake = totalStake;
        signersKey = quorum.aggregateKey;
        for (uint256 index; nonSigners != 0; ++index) {
            if (nonSigners & 1 == 1) {
                uint96 stake = stakeAt(index, blockNumber);
                if (stake == 0) revert InvalidNonSigner(index);
                signedStake -= stake;
                signersKey = signersKey.add(_operators[index].publicKey.negate());
            }
            nonSigners >>= 1;
        }
    }

    /// @inheritdoc IOperatorRegistry
    function possessionDigest(address operator, bytes calldata publicKey) external view returns (bytes32) {
        return _possessionDigest(operator, keccak256(publicKey));
    }

    function _possessionDigest(address operator, bytes32 publicKeyHash) private view returns (bytes32) {
        return keccak256(abi.encode(POSSESSION_TYPEHASH, block.chainid, address(this), operator, publicKeyHash));
    }

    function _lastStake(uint256 index) private view returns (uint96) {
        StakeCheckpoint[] storage history = _stakes[index];
        return history.length == 0 ? 0 : history[history.length - 1].stake;
    }

    function _quorumAt(uint32 blockNumber) private view returns (QuorumCheckpoint storage quorum) {
        if (blockNumber >= block.number) revert InvalidReferenceBlocknumber();
        uint256 end = _quorums.length;
        while (end > 0 && _quorums[end - 1].fromBlock > blockNumber) {
            --end;
        }
        if (end == 0) revert NoOperatorsAt(blockNumber);
        quorum = _quorums[end - 1];
        if (quorum.totalStake == 0) revert NoOperatorsAt(blockNumber);
    }

    /// @dev Changes one stake and the quorum with it. A second change in a block takes the first one's place.
    function _setStake(uint256 index, uint96 stake) private {
        uint96 before = _lastStake(index);
        uint32 blockNumber = uint32(block.number);

        StakeCheckpoint[] storage history = _stakes[index];
        if (history.length == 0 || history[history.length - 1].fromBlock != blockNumber) history.push();
        history[history.length - 1] = StakeCheckpoint({fromBlock: blockNumber, stake: stake});

        QuorumCheckpoint memory quorum;
        uint256 count = _quorums.length;
        if (count > 0) quorum = _quorums[count - 1];
        if (count == 0 || quorum.fromBlock != blockNumber) {
            _quorums.push();
            ++count;
        }
        quorum.fromBlock = blockNumber;
        quorum.totalStake = quorum.totalStake + stake - before;
        G2Point memory key = _operators[index].publicKey;
        if (before == 0 && stake != 0) quorum.aggregateKey = quorum.aggregateKey.add(key);
        if (before != 0 && stake == 0) quorum.aggregateKey = quorum.aggregateKey.add(key.negate());
        _quorums[count - 1] = quorum;
        emit StakeSet(_operators[index].account, index, stake);
    }
}
