/** The service of `grpc.ts`, for both of its ends. */
import { loadPackageDefinition } from "@grpc/grpc-js"
import { loadSync } from "@grpc/proto-loader"
import { fileURLToPath } from "node:url"

const file = fileURLToPath(new URL("./grpc.proto", import.meta.url))
const loaded = loadPackageDefinition(loadSync(file, { longs: Number, defaults: true }))

/** The constructor of clients, and the definition of the service. */
export const Measured = /** @type {import("@grpc/grpc-js").ServiceClientConstructor} */ (
  /** @type {import("@grpc/grpc-js").GrpcObject} */ (loaded["bench"])["Measured"]
)
