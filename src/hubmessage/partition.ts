/**
 * In which partition of a hub the messages of a device are: of one device, always in the same. Where they are read, and in
 * the names of blobs that they are written to. FNV-1a, 32 bits.
 */
export function partitionOf(deviceId: string, partitions: number): number {
  let hash = 0x811c9dc5
  for (let n = 0; n < deviceId.length; n++) {
    const code = deviceId.charCodeAt(n)
    // Of characters that are one byte, as ids of devices are made of, no bytes need be made.
    if (code > 0x7f) return partitionOfBytes(Buffer.from(deviceId), partitions)
    hash = Math.imul(hash ^ code, 0x01000193)
  }
  return (hash >>> 0) % partitions
}

function partitionOfBytes(bytes: Buffer, partitions: number): number {
  let hash = 0x811c9dc5
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193)
  return (hash >>> 0) % partitions
}
