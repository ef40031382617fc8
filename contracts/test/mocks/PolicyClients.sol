// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC165} from "../../src/interfaces/IERC165.sol";
import {IPolicyClient} from "../../src/interfaces/IPolicyClient.sol";

/// @notice Says yes to every question, as a careless fallback does.
contract YesToEverything {
    fallback() external {
        assembly {
            mstore(0, 1)
            return(0, 32)
        }
    }
}

/// @notice Has code and answers nothing.
contract Silent {
    fallback() external {}
}

/// @notice Uses up whatever gas it is given.
contract GasEater {
    fallback() external {
        assembly {
            invalid()
        }
    }
}

/// @notice Answers the right word, and 20,000 bytes more for whoever copies all of it.
contract LongWinded {
    bytes32 private immutable POLICY_ID;

    constructor(bytes32 policyId_) {
        POLICY_ID = policyId_;
    }

    fallback() external {
        bytes32 answer = POLICY_ID;
        if (msg.sig == IERC165.supportsInterface.selector) {
            answer = bytes4(msg.data[4:8]) == type(IPolicyClient).interfaceId ? bytes32(uint256(1)) : bytes32(0);
        }
        assembly {
            mstore(0, answer)
            return(0, 20000)
        }
    }
}

/// @notice A client until it is told to stop answering.
contract Forgetful {
    bytes32 private immutable POLICY_ID;
    bool private _gone;

    constructor(bytes32 policyId_) {
        POLICY_ID = policyId_;
    }

    function forget() external {
        _gone = true;
    }

    function policyId() external view returns (bytes32) {
        require(!_gone);
        return POLICY_ID;
    }

    function supportsInterface(bytes4 interfaceId) external view returns (bool) {
        require(!_gone);
        return interfaceId == type(IPolicyClient).interfaceId;
    }
}
