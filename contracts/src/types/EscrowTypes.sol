// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What a user has in the escrow, of one token, in its smallest unit.
/// @param available free to be withdrawn, or locked
/// @param locked the sum of the live locks on it
struct EscrowFunds {
    uint256 available;
    uint256 locked;
}

/// @notice What a payer allows a payee, for one token, and how much of it is in use.
/// @param maxLockedAmount the most that all live locks together may hold
/// @param currentLockedAmount what they hold now
/// @param maxLockSeconds the longest that a lock may last
/// @param maxLockCounts the most live locks at a time
/// @param currentLocks how many there are now
struct EscrowAuth {
    address payee;
    uint256 maxLockedAmount;
    uint256 currentLockedAmount;
    uint256 maxLockSeconds;
    uint256 maxLockCounts;
    uint256 currentLocks;
}

/// @notice Funds of a payer, set aside for one job of a payee.
/// @param expiry the last second, as a unix time, in which it can be claimed
struct EscrowLock {
    uint256 jobId;
    address payer;
    uint256 amount;
    uint256 expiry;
    address token;
}
