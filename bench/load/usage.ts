import { readFile } from 'node:fs/promises'

/** What a process has used, as Linux tells; undefined elsewhere. */
export interface Usage {
  /** User and system time of all its threads, in seconds. */
  readonly cpuS: number
  /** Resident memory, in MiB. */
  readonly rssMiB: number
}

/** Linux counts processor time in hundredths of a second, whatever the kernel's own tick. */
const ticksPerS = 100

export async function usageOf(pid: number): Promise<Usage | undefined> {
  if (process.platform !== 'linux') return undefined
  const [stat, status] = await Promise.all([
    readFile(`/proc/${pid}/stat`, 'utf8'),
    readFile(`/proc/${pid}/status`, 'utf8'),
  ])
  // The second field is the program's name in parentheses, which may itself hold spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [userTicks, systemTicks] = [Number(fields[11]), Number(fields[12])]
  const residentKiB = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1])
  return { cpuS: (userTicks + systemTicks) / ticksPerS, rssMiB: residentKiB / 1024 }
}
