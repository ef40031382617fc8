// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title One call at a time
abstract contract NonReentrant {
    bool private transient _entered;

    /// @dev The text is the one that callers know from elsewhere.
    modifier nonReentrant() {
        require(!_entered, "ReentrancyGuard: reentrant call");
        _entered = true;
        _;
        _entered = false;
    }
}
