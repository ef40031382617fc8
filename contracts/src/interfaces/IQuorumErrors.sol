// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What can be wrong with a claim about who signed
/// @dev Raised by the registry, and passed on unchanged by whoever asks it.
interface IQuorumErrors {
    /// @notice Thrown when the reference block has not ended yet.
    error InvalidReferenceBlocknumber();

    /// @notice Thrown when no operator had a stake at the end of the reference block.
    error NoOperatorsAt(uint32 blockNumber);

    /// @notice Thrown when the bitmap names an operator that was not in the quorum at the reference block.
    error InvalidNonSigner(uint256 index);
}
