// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IOwned} from "../interfaces/IOwned.sol";

/// @title One owner, handed over in one step
abstract contract Owned is IOwned {
    /// @inheritdoc IOwned
    address public owner;

    modifier onlyOwner() {
        if (msg.sender != owner) revert Unauthorized();
        _;
    }

    constructor(address firstOwner) {
        _setOwner(firstOwner);
    }

    /// @inheritdoc IOwned
    function transferOwnership(address newOwner) external onlyOwner {
        _setOwner(newOwner);
    }

    function _setOwner(address newOwner) private {
        if (newOwner == address(0)) revert Owned_ZeroOwner();
        emit OwnershipTransferred(owner, newOwner);
        owner = newOwner;
    }
}
