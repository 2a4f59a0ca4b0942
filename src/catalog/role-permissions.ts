import type { RolePermission } from '../resources/role-definitions.ts'

/** What a role permits. Actions are asked for in lower case. */
export interface CompiledRole {
  readonly allows: (action: string) => boolean
  readonly allowsData: (dataAction: string) => boolean
}

/**
 * A role lets its holder do what one of its permissions names among its actions, and not among those excepted from
 * them. What one role excepts, another may still permit.
 *
 * Source: learn.microsoft.com/azure/role-based-access-control/role-definitions, "Actions", "NotActions"
 */
export function compileRole(permissions: readonly RolePermission[]): CompiledRole {
  const control = permissions.map(({ actions, notActions }) => exceptFor(actions, notActions))
  const data = permissions.map(({ dataActions, notDataActions }) => exceptFor(dataActions, notDataActions))
  return {
    allows: (action) => control.some((permits) => permits(action)),
    allowsData: (dataAction) => data.some((permits) => permits(dataAction)),
  }
}

type Matches = (action: string) => boolean

function exceptFor(named: readonly string[], excepted: readonly string[]): Matches {
  const isNamed = anyOf(named)
  const isExcepted = anyOf(excepted)
  return (action) => isNamed(action) && !isExcepted(action)
}

function anyOf(patterns: readonly string[]): Matches {
  const lower = patterns.map((pattern) => pattern.toLowerCase())
  const exact = new Set(lower.filter((pattern) => !pattern.includes('*')))
  const wild = lower.filter((pattern) => pattern.includes('*')).map(wildcard)
  return (action) => exact.has(action) || wild.some((matches) => matches(action))
}

/**
 * Whether a text is made of the pattern's pieces in their order, with any text in place of each `*`. The earliest
 * place of each piece is as good as any later one, so that nothing is tried twice.
 */
function wildcard(pattern: string): Matches {
  const pieces = pattern.split('*')
  const first = pieces[0] as string
  const last = pieces.at(-1) as string
  const between = pieces.slice(1, -1)
  return (action) => {
    if (!action.startsWith(first) || !action.endsWith(last)) return false
    const end = action.length - last.length
    let at = first.length
    for (const piece of between) {
      const found = action.indexOf(piece, at)
      if (found < 0) return false
      at = found + piece.length
    }
    return at <= end
  }
}
