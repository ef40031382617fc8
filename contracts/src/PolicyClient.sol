// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC165} from "./interfaces/IERC165.sol";
import {IPolicyClient} from "./interfaces/IPolicyClient.sol";

/// @title The least a contract needs to be a policy client
contract PolicyClient is IERC165, IPolicyClient {
    /// @inheritdoc IPolicyClient
    bytes32 public immutable policyId;

    constructor(bytes32 policyId_) {
        policyId = policyId_;
    }

    /// @inheritdoc IERC165
    function supportsInterface(bytes4 interfaceId) external pure returns (bool) {
        return interfaceId == type(IPolicyClient).interfaceId || interfaceId == type(IERC165).interfaceId;
    }
}
