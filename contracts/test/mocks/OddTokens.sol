// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrow} from "../../src/interfaces/IEscrow.sol";

/// @notice What the odd ones share: balances without approvals.
abstract contract OddToken {
    mapping(address account => uint256) public balanceOf;

    function mint(address to, uint256 value) external {
        balanceOf[to] += value;
    }

    function _move(address from, address to, uint256 value) internal {
        balanceOf[from] -= value;
        balanceOf[to] += value;
    }
}

/// @notice Keeps 1 % of what is transferred.
contract TakesAFee is OddToken {
    function transferFrom(address from, address to, uint256 value) external returns (bool) {
        _move(from, to, value - value / 100);
        return true;
    }
}

/// @notice Answers nothing, as old tokens do.
contract AnswersNothing is OddToken {
    function transfer(address to, uint256 value) external {
        _move(msg.sender, to, value);
    }

    function transferFrom(address from, address to, uint256 value) external {
        _move(from, to, value);
    }
}

/// @notice Says no and does nothing.
contract AnswersFalse is OddToken {
    function transferFrom(address, address, uint256) external pure returns (bool) {
        return false;
    }
}

/// @notice Reverts without a word.
contract RevertsInSilence is OddToken {
    function transferFrom(address, address, uint256) external pure {
        assembly {
            revert(0, 0)
        }
    }
}

/// @notice Lets the receiver of a transfer call back.
contract CallsBack is OddToken {
    function transfer(address to, uint256 value) external returns (bool) {
        _move(msg.sender, to, value);
        if (to.code.length != 0) Greedy(to).onReceived();
        return true;
    }

    function transferFrom(address from, address to, uint256 value) external returns (bool) {
        _move(from, to, value);
        return true;
    }
}

/// @notice Withdraws again while it is being paid.
contract Greedy {
    IEscrow private immutable ESCROW;
    address[] private _tokens;
    uint256[] private _amounts;

    constructor(IEscrow escrow, address token, uint256 amount) {
        ESCROW = escrow;
        _tokens.push(token);
        _amounts.push(amount);
    }

    function put() external {
        ESCROW.deposit(_tokens[0], 10 * _amounts[0]);
    }

    function take() external {
        ESCROW.withdraw(_tokens, _amounts);
    }

    function onReceived() external {
        ESCROW.withdraw(_tokens, _amounts);
    }
}
