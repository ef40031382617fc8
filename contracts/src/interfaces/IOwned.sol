// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title A contract with one owner
interface IOwned {
    event OwnershipTransferred(address indexed previousOwner, address indexed newOwner);

    /// @notice Thrown when the caller may not do this.
    error Unauthorized();

    /// @notice Thrown when the zero address would become the owner.
    error Owned_ZeroOwner();

    function owner() external view returns (address);

    /// @notice Hands the contract over, at once. The owner only.
    function transferOwnership(address newOwner) external;
}
