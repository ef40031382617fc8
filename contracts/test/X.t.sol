// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;
interface Vm { function setEvmVersion(string calldata) external; }
contract X { 
function setUp() external {  Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D).setEvmVersion("osaka"); }
function test_a() external view { 
 (bool ok, bytes memory r) = address(5).staticcall(abi.encodePacked(uint256(64), uint256(1), uint256(64), uint256(1),uint256(5), uint8(1), uint256(3), uint256(7)));
 uint g=gasleft(); (ok,r) = address(5).staticcall(abi.encodePacked(uint256(64), uint256(1), uint256(64), uint256(1),uint256(5), uint8(1), uint256(3), uint256(7))); require(ok); g=g-gasleft(); require(g>700,"cheap: prague");
} }
