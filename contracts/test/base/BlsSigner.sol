// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BLS12381, G1Point, G2Point} from "../../src/libraries/BLS12381.sol";

/// @notice Signs with keys that everybody knows, by the multiplication precompiles of EIP-2537.
library BlsSigner {
    uint256 internal constant GROUP_ORDER = 0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001;

    bytes internal constant ATTESTATION_DST = "HEADRACE-ATTEST-V01-BLS12381G1_XMD:SHA-256_SSWU_RO_";
    bytes internal constant POSSESSION_DST = "HEADRACE-POP-V01-BLS12381G1_XMD:SHA-256_SSWU_RO_";

    function generator() internal pure returns (G2Point memory) {
        return G2Point({
            x0High: 0x024aa2b2f08f0a91260805272dc51051,
            x0Low: 0xc6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8,
            x1High: 0x13e02b6052719f607dacd3a088274f65,
            x1Low: 0x596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e,
            y0High: 0x0ce5d527727d6e118cc9cdc6da2e351a,
            y0Low: 0xadfd9baa8cbdd3a76d429a695160d12c923ac9cc3baca289e193548608b82801,
            y1High: 0x0606c4a02ea734cc32acd2b02bc28b99,
            y1Low: 0xcb3e287e85a763af267492ab572e99ab3f370d275cec1da1aaa9075ff05f79be
        });
    }

    function publicKey(uint256 secretKey) internal view returns (bytes memory) {
        return multiplyG2(abi.encode(generator()), secretKey);
    }

    function publicPoint(uint256 secretKey) internal view returns (G2Point memory) {
        return abi.decode(publicKey(secretKey), (G2Point));
    }

    /// @notice A signature as it travels: x and y, 48 bytes each.
    function sign(uint256 secretKey, bytes32 digest, bytes memory dst) internal view returns (bytes memory) {
        G1Point memory h = BLS12381.hashToG1(abi.encodePacked(digest), dst);
        return pack(abi.decode(multiplyG1(abi.encode(h), secretKey), (G1Point)));
    }

    function pack(G1Point memory a) internal pure returns (bytes memory) {
        return abi.encodePacked(uint128(a.xHigh), a.xLow, uint128(a.yHigh), a.yLow);
    }

    function multiplyG1(bytes memory point, uint256 scalar) internal view returns (bytes memory) {
        return _call(0x0c, bytes.concat(point, bytes32(scalar)));
    }

    function multiplyG2(bytes memory point, uint256 scalar) internal view returns (bytes memory) {
        return _call(0x0e, bytes.concat(point, bytes32(scalar)));
    }

    function _call(uint160 precompile, bytes memory input) private view returns (bytes memory) {
        (bool ok, bytes memory output) = address(precompile).staticcall(input);
        require(ok, "a multiplication precompile refused its input");
        return output;
    }
}
