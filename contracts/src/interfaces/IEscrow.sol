// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EscrowAuth, EscrowFunds, EscrowLock} from "../types/EscrowTypes.sol";

/// @title Funds between those who pay for jobs and those who run them
/// @notice A payer deposits, and authorises a payee within limits. The payee locks what a job may cost at most, runs
/// it, and claims what it did cost; the rest goes back to the payer. What is not claimed in time goes back whole.
///
/// A lock is found by payee, payer and job id; its token must be named right as well. It can be claimed while
/// `block.timestamp <= expiry`. A claim that comes later does not revert: it cancels the lock and says so by
/// `Canceled`, so that only the event tells whether the payee was paid.
/// A claim of 0 gives everything back at once. Of every other claim the collector gets `amount * fee / 1e18`, rounded
/// down, and the payee the rest, as funds of its own in here.
///
/// The forms for many do what the single form does, item by item in the given order, or nothing: the first item that
/// is refused reverts them all. Items of the same token side by side are cheapest.
/// @dev Selectors, topics and refusals are those of the escrow that this one stands in for. Refusals are texts, because
/// callers match them as such: Error(string).
interface IEscrow {
    event Deposit(address indexed payer, address token, uint256 amount);
    event Withdraw(address indexed payer, address token, uint256 amount);
    event Auth(
        address indexed payer,
        address indexed payee,
        uint256 maxLockedAmount,
        uint256 maxLockSeconds,
        uint256 maxLockCounts
    );

    /// @param expiry how many seconds the lock lasts, not when it ends
    event Lock(address payer, address payee, uint256 jobId, uint256 amount, uint256 expiry, address token);

    /// @param amount what the payer pays, the collector's share included
    event Claimed(
        address indexed payee, uint256 jobId, address token, address indexed payer, uint256 amount, bytes proof
    );

    /// @param amount what went back to the payer: all of the lock
    event Canceled(address indexed payee, uint256 jobId, address token, address indexed payer, uint256 amount);

    /// @notice Puts funds of the caller in. They must be approved first.
    /// @dev "Invalid token address" (zero), "Transfer amount is too low" (less arrived than was sent).
    function deposit(address token, uint256 amount) external;

    /// @dev As `deposit`, and "Invalid input" when the arrays differ in length.
    function depositMultiple(address[] calldata tokens, uint256[] calldata amounts) external;

    /// @notice Approves by the caller's ERC-2612 signature, then deposits.
    function depositWithPermit(address token, uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external;

    /// @notice Pays available funds of the caller out. An item for which there is not enough is left out, in silence.
    /// @dev "Invalid input" when the arrays differ in length.
    function withdraw(address[] calldata tokens, uint256[] calldata amounts) external;

    /// @notice Sets what `payee` may lock of the caller's funds. Live locks are not touched by it.
    /// @dev "Invalid token", "Invalid payee" (zero).
    function authorize(
        address token,
        address payee,
        uint256 maxLockedAmount,
        uint256 maxLockSeconds,
        uint256 maxLockCounts
    ) external;

    /// @dev As `authorize`, and "Invalid input" when the arrays differ in length.
    function authorizeMultiple(
        address[] calldata tokens,
        address[] calldata payees,
        uint256[] calldata maxLockedAmounts,
        uint256[] calldata maxLockSeconds,
        uint256[] calldata maxLockCounts
    ) external;

    /// @notice Sets funds of `payer` aside for a job of the caller.
    /// @param expirySeconds how long the lock lasts from now
    /// @dev In this order: "Invalid payer", "Payeer cannot be payee" (written so), "Invalid token", "Invalid amount",
    /// "Invalid jobId" (each zero), "Payer does not have enough funds", "No auth found", "Expiry too high",
    /// "Exceeds maxLockedAmount", "Exceeds maxLockCounts", "JobId already exists" (for this payer, in any token).
    function createLock(uint256 jobId, address token, address payer, uint256 amount, uint256 expirySeconds)
        external;

    /// @dev As `createLock`, and "Invalid input" when the arrays differ in length.
    function createLocks(
        uint256[] calldata jobIds,
        address[] calldata tokens,
        address[] calldata payers,
        uint256[] calldata amounts,
        uint256[] calldata expirySeconds
    ) external;

    /// @notice Takes `amount` of a lock of the caller and gives the rest back.
    /// @param proof what the payee says for itself; it is only passed on
    /// @dev In this order: "Invalid payer", "Invalid token", "Invalid jobId" (each zero), "Lock not found"; given a lock
    /// that has not expired, "Amount too high".
    function claimLock(uint256 jobId, address token, address payer, uint256 amount, bytes calldata proof) external;

    /// @dev As `claimLock`, and "Invalid input" when the arrays differ in length.
    function claimLocks(
        uint256[] calldata jobIds,
        address[] calldata tokens,
        address[] calldata payers,
        uint256[] calldata amounts,
        bytes[] calldata proofs
    ) external;

    /// @notice Claims, then pays out all that the caller has available of this token, also what it deposited itself.
    function claimLockAndWithdraw(
        uint256 jobId,
        address token,
        address payer,
        uint256 amount,
        bytes calldata proof
    ) external;

    /// @notice Claims, then pays out all that the caller has available of these tokens.
    function claimLocksAndWithdraw(
        uint256[] calldata jobIds,
        address[] calldata tokens,
        address[] calldata payers,
        uint256[] calldata amounts,
        bytes[] calldata proofs
    ) external;

    /// @notice Gives expired locks back to their payers. Anyone may. Where nothing matches, nothing happens.
    /// @param jobId zero for any, as are `token` and `payer`
    /// @dev "Invalid payee" (zero).
    function cancelExpiredLock(uint256 jobId, address token, address payer, address payee) external;

    /// @dev As `cancelExpiredLock`, and "Invalid input" when the arrays differ in length.
    function cancelExpiredLocks(
        uint256[] calldata jobIds,
        address[] calldata tokens,
        address[] calldata payers,
        address[] calldata payees
    ) external;

    /// @notice What the caller has in here.
    function getFunds(address token) external view returns (EscrowFunds memory);

    function getUserFunds(address user, address token) external view returns (EscrowFunds memory);

    /// @notice The tokens of which `user` may have funds in here, in no order.
    function getUserTokens(address user) external view returns (address[] memory);

    /// @notice The live locks of `payee`, expired ones included, in no order. With both filters given: those of this
    /// token or this payer. With one of them zero: all.
    /// @dev "Invalid payee" (zero). Not paged: costly where there are many.
    function getLocks(address token, address payer, address payee) external view returns (EscrowLock[] memory);

    /// @notice What `payer` allows `payee`, or all payees where that is zero.
    /// @dev "Invalid payer", "Invalid token" (zero).
    function getAuthorizations(address token, address payer, address payee)
        external
        view
        returns (EscrowAuth[] memory);

    /// @notice Asked for the fee, and for the collector where none is fixed.
    function factoryRouter() external view returns (address);

    /// @notice Who gets the fees; zero for whom the router says.
    function opcCollector() external view returns (address);
}
