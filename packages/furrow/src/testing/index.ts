/**
 * Testing actors without processes.
 */
export * as TestWorld from "./TestWorld.ts"
