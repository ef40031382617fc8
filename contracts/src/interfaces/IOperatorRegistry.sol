// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {G2Point} from "../libraries/BLS12381.sol";
import {IOwned} from "./IOwned.sol";
import {IQuorumErrors} from "./IQuorumErrors.sol";

/// @title Who may create tasks, and whose signatures count
/// @notice Operators hold a BLS12-381 key in G2 and a stake. The sum of the keys and of the stakes is remembered
/// by block, so that a signature is judged by the quorum of its reference block, whatever changed since.
/// @dev An operator's index is its place in the order of registration. It never changes and is never given again.
/// An operator counts while its stake is not zero.
/// Forms: a public key is 256 bytes, the EIP-2537 encoding of a G2 point; a signature is 96 bytes, x and y of a
/// G1 point at 48 bytes each. The point at infinity is neither.
interface IOperatorRegistry is IOwned, IQuorumErrors {
    event TaskGeneratorAdded(address indexed generator);
    event TaskGeneratorRemoved(address indexed generator);
    event OperatorRegistered(address indexed operator, uint256 indexed index, bytes publicKey, uint96 stake);
    event StakeSet(address indexed operator, uint256 indexed index, uint96 stake);

    /// @notice Thrown when a new operator or task generator would be the zero address.
    error OperatorRegistry_ZeroAddress();

    /// @notice Thrown when this address has an index already. Use setStake to bring it back.
    error OperatorRegistry_AlreadyRegistered(address operator);

    /// @notice Thrown when this address never registered.
    error OperatorRegistry_NotRegistered(address operator);

    /// @notice Thrown when another operator has this key.
    error OperatorRegistry_PublicKeyTaken(bytes32 publicKeyHash);

    /// @notice Thrown when a public key is not 256 bytes, or is the point at infinity.
    error OperatorRegistry_InvalidPublicKey();

    /// @notice Thrown when the signature does not show that the operator holds the secret key, or the key is no
    /// point of the group.
    error OperatorRegistry_InvalidPossession();

    /// @notice Thrown when an operator would be registered without a stake.
    error OperatorRegistry_ZeroStake();

    /// @notice Thrown when all 256 indexes are taken.
    error OperatorRegistry_Full();

    /// @notice Lets `generator` create and answer tasks. Does nothing if it may already. The owner only.
    function addTaskGenerator(address generator) external;

    /// @notice Takes that right back. Does nothing if it has none. The owner only.
    function removeTaskGenerator(address generator) external;

    function isTaskGenerator(address account) external view returns (bool);

    /// @notice All task generators, in no particular order.
    function taskGenerators() external view returns (address[] memory);

    /// @notice Gives `operator` the next index. The owner only.
    /// @param publicKey 256 bytes.
    /// @param stake Its weight, not zero.
    /// @param possession Its signature over `possessionDigest`, 96 bytes. Without it, an operator could register a
    /// key computed from the others' keys and sign alone for all of them.
    function registerOperator(address operator, bytes calldata publicKey, uint96 stake, bytes calldata possession)
        external;

    /// @notice Changes the weight of `operator`, from this block on. Zero takes it out of the quorum. The owner only.
    function setStake(address operator, uint96 stake) external;

    /// @notice Sets the stake of `operator` to zero. Its index and key stay its own. The owner only.
    function removeOperator(address operator) external;

    /// @notice All operators by index, also those without a stake.
    function operators() external view returns (address[] memory);

    /// @notice One operator, with its stake as it is now.
    function operatorAt(uint256 index)
        external
        view
        returns (address operator, bytes memory publicKey, uint96 stake);

    /// @notice The index of `operator`.
    function indexOf(address operator) external view returns (uint256);

    /// @notice The stake of the operator with this index at the end of a block.
    function stakeAt(uint256 index, uint32 blockNumber) external view returns (uint96);

    /// @notice The sum of all stakes and of the keys behind them at the end of a block that is over.
    function quorumAt(uint32 blockNumber) external view returns (uint128 totalStake, bytes memory aggregateKey);

    /// @notice The quorum at the end of a block that is over, without those who did not sign.
    /// @param nonSigners Bit i stands for the operator with index i.
    function signersAt(uint32 blockNumber, uint256 nonSigners)
        external
        view
        returns (uint128 totalStake, uint128 signedStake, G2Point memory signersKey);

    /// @notice What `operator` signs to show that it holds the secret key of `publicKey`.
    function possessionDigest(address operator, bytes calldata publicKey) external view returns (bytes32);
}
