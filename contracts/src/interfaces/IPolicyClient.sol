// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title A contract whose intents are judged under a policy
/// @dev A client with code also answers ERC-165 for this interface, in less than 30,000 gas a call.
interface IPolicyClient {
    /// @notice The policy that responses for this client must have been evaluated under.
    function policyId() external view returns (bytes32);
}
