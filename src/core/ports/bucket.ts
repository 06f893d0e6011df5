/** Object storage: objects are written once and never changed. */
export interface Bucket {
  /** sha256 (hex) of the bytes, where it is known. */
  put (key: string, bytes: Uint8Array, sha256?: string): Promise<void>
  /** Bytes from `offset`, `length` of them. */
  get (key: string, offset: number, length: number): Promise<AsyncIterable<Uint8Array>>
  delete (key: string): Promise<void>
  /** Rejects with EPH_BUCKET_UNAVAILABLE. */
  check (): Promise<void>
}
