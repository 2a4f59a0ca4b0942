/** Says of each promise whether it was kept, and counts. */
export class Checks {
  #passed = 0
  #failed = 0

  get failed(): number {
    return this.#failed
  }

  check(kept: boolean, promise: string, found = ''): void {
    if (kept) this.#passed++
    else this.#failed++
    console.log(`${kept ? 'ok  ' : 'FAIL'} ${promise}${kept || found === '' ? '' : `: ${found}`}`)
  }

  summary(): string {
    return `${this.#passed} passed, ${this.#failed} failed`
  }
}
