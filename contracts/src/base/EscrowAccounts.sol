// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "../interfaces/IERC20.sol";
import {IERC20Permit} from "../interfaces/IERC20Permit.sol";
import {IEscrow} from "../interfaces/IEscrow.sol";
import {IFeeRouter} from "../interfaces/IFeeRouter.sol";
import {TokenTransfer} from "../libraries/TokenTransfer.sol";
import {EscrowFunds} from "../types/EscrowTypes.sol";
import {NonReentrant} from "./NonReentrant.sol";

/// @title How money comes into an escrow and leaves it
/// @dev How funds are kept, and what is done with them in between, is left to those who inherit.
abstract contract EscrowAccounts is IEscrow, NonReentrant {
    uint256 private constant WHOLE = 1e18;

    /// @inheritdoc IEscrow
    address public immutable factoryRouter;
    /// @inheritdoc IEscrow
    address public immutable opcCollector;

    mapping(address user => address[]) private _tokens;
    /// @dev Where it is in the list, counted from 1; 0 where it is not.
    mapping(address user => mapping(address token => uint256)) private _placeOfToken;

    constructor(address factoryRouter_, address opcCollector_) {
        require(factoryRouter_ != address(0), "Invalid router");
        factoryRouter = factoryRouter_;
        opcCollector = opcCollector_;
    }

    /// @inheritdoc IEscrow
    function deposit(address token, uint256 amount) external nonReentrant {
        _deposit(token, amount);
    }

    /// @inheritdoc IEscrow
    function depositMultiple(address[] calldata tokens, uint256[] calldata amounts) external nonReentrant {
        require(tokens.length == amounts.length, "Invalid input");
        for (uint256 i; i < tokens.length; ++i) {
            _deposit(tokens[i], amounts[i]);
        }
    }

    /// @inheritdoc IEscrow
    function depositWithPermit(address token, uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        nonReentrant
    {
        IERC20Permit(token).permit(msg.sender, address(this), amount, deadline, v, r, s);
        _deposit(token, amount);
    }

    /// @inheritdoc IEscrow
    function withdraw(address[] calldata tokens, uint256[] calldata amounts) external nonReentrant {
        require(tokens.length == amounts.length, "Invalid input");
        for (uint256 i; i < tokens.length; ++i) {
            _withdraw(tokens[i], amounts[i]);
        }
    }

    /// @inheritdoc IEscrow
    function getFunds(address token) external view returns (EscrowFunds memory) {
        return _funds(msg.sender, token);
    }

    /// @inheritdoc IEscrow
    function getUserFunds(address user, address token) external view returns (EscrowFunds memory) {
        return _funds(user, token);
    }

    /// @inheritdoc IEscrow
    function getUserTokens(address user) external view returns (address[] memory) {
        return _tokens[user];
    }

    function _funds(address user, address token) internal view virtual returns (EscrowFunds memory);

    /// @dev Adds to what is available.
    function _add(address user, address token, uint256 amount) internal virtual;

    /// @dev Takes from what is available, which is enough.
    function _take(address user, address token, uint256 amount) internal virtual;

    function _deposit(address token, uint256 amount) private {
        require(token != address(0), "Invalid token address");
        _credit(msg.sender, token, amount);
        emit Deposit(msg.sender, token, amount);
        uint256 before = IERC20(token).balanceOf(address(this));
        TokenTransfer.pull(token, msg.sender, amount);
        require(IERC20(token).balanceOf(address(this)) >= before + amount, "Transfer amount is too low");
    }

    function _withdraw(address token, uint256 amount) private {
        if (_funds(msg.sender, token).available < amount) return;
        _payOut(token, amount);
    }

    function _withdrawAll(address token) internal {
        _payOut(token, _funds(msg.sender, token).available);
    }

    function _payOut(address token, uint256 amount) private {
        _take(msg.sender, token, amount);
        EscrowFunds memory left = _funds(msg.sender, token);
        // With some of it still locked it stays on the list: that may come back.
        if (left.available == 0 && left.locked == 0) _unlist(token);
        emit Withdraw(msg.sender, token, amount);
        TokenTransfer.push(token, msg.sender, amount);
    }

    function _credit(address user, address token, uint256 amount) internal {
        _add(user, token, amount);
        if (_placeOfToken[user][token] != 0) return;
        _tokens[user].push(token);
        _placeOfToken[user][token] = _tokens[user].length;
    }

    function _unlist(address token) private {
        uint256 place = _placeOfToken[msg.sender][token];
        if (place == 0) return;
        address[] storage tokens = _tokens[msg.sender];
        address last = tokens[tokens.length - 1];
        tokens[place - 1] = last;
        _placeOfToken[msg.sender][last] = place;
        tokens.pop();
        delete _placeOfToken[msg.sender][token];
    }

    function _feeRate(address token) internal view returns (uint256) {
        return IFeeRouter(factoryRouter).getOPCFee(token);
    }

    function _feeOn(uint256 amount, uint256 rate) internal pure returns (uint256) {
        return amount * rate / WHOLE;
    }

    function _payFee(address token, uint256 fee) internal {
        if (fee == 0) return;
        address collector = opcCollector;
        TokenTransfer.push(
            token, collector != address(0) ? collector : IFeeRouter(factoryRouter).getOPCCollector(), fee
        );
    }
}
