import { circularDependency, invalidTemplate } from './errors.ts'
import type { InstanceTable } from './instance-table.ts'
import type { Instance } from './instances.ts'
import { isArray, memberOf, typeOf } from './language/value.ts'
import { at } from './placed.ts'
import { comparable, containerOf } from './resource-id.ts'
import { evaluateTree } from './tree.ts'

/**
 * What each resource must wait for: what its `dependsOn` names, what contains it, what its expressions refer to,
 * and in a serial loop the batch before its own. A resource whose condition does not hold is nothing to wait for;
 * an existing one stands for what it would wait for itself.
 *
 * @param referred ids that a resource's expressions refer to
 *
 * Source: learn.microsoft.com/azure/azure-resource-manager/templates/resource-dependency
 */
export function dependenciesOf(
  table: InstanceTable,
  referred: ReadonlyMap<Instance, ReadonlySet<string>>,
): ReadonlyMap<Instance, ReadonlySet<Instance>> {
  const direct = new Map<Instance, Set<Instance>>()
  for (const instance of table.all) {
    const found = new Set<Instance>([...namedBy(instance, table), ...batchBefore(instance, table)])
    const container = nearestContainer(instance, table)
    if (container) found.add(container)
    for (const id of referred.get(instance) ?? []) {
      const target = table.byId(id)
      if (target) found.add(target)
    }
    direct.set(instance, found)
  }
  const deployed = table.all.filter(isDeployed)
  return new Map(deployed.map((instance) => [instance, throughExisting(instance, direct)]))
}

export const isDeployed = ({ isWanted, isExisting }: Instance) => isWanted && !isExisting

function namedBy({ declaration, environment, id }: Instance, table: InstanceTable): readonly Instance[] {
  const path = `${declaration.path}.dependsOn`
  return at(`Unable to process template language expressions for resource '${id}'`, () => {
    const value = evaluateTree(memberOf(declaration.body, 'dependsOn') ?? [], path, environment, 'collect')
    if (!isArray(value))
      throw invalidTemplate(`'${path}' must be an Array; it is of type '${typeOf(value)}'.`, path)
    return value.flatMap((target, index) => {
      if (typeof target !== 'string')
        throw invalidTemplate(
          `'${path}[${index}]' must be a String; it is of type '${typeOf(target)}'.`,
          path,
        )
      const found = table.find(target)
      if (found.length > 0) return found
      throw invalidTemplate(
        `The resource '${target.slice(0, 300)}' that '${id}' depends on is not defined in the template. Please see https://aka.ms/arm-syntax for usage details.`,
        `${path}[${index}]`,
      )
    })
  })
}

function batchBefore({ declaration, loop }: Instance, table: InstanceTable): readonly Instance[] {
  if (loop?.batchSize === undefined) return []
  const { batchSize } = loop
  const batchOf = (index: number) => Math.floor(index / batchSize)
  return table
    .find(loop.name)
    .filter(
      (each) =>
        each.declaration === declaration && each.loop && batchOf(each.loop.index) === batchOf(loop.index) - 1,
    )
}

function nearestContainer({ id }: Instance, table: InstanceTable): Instance | undefined {
  for (let above = containerOf(id); above !== undefined; above = containerOf(above)) {
    const found = table.byId(above)
    if (found) return found
  }
  return undefined
}

function throughExisting(
  instance: Instance,
  direct: ReadonlyMap<Instance, ReadonlySet<Instance>>,
): ReadonlySet<Instance> {
  const found = new Set<Instance>()
  const seen = new Set<Instance>()
  const follow = (from: Instance) => {
    for (const next of direct.get(from) ?? []) {
      if (isDeployed(next)) found.add(next)
      else if (next.isExisting && !seen.has(next)) {
        seen.add(next)
        follow(next)
      }
    }
  }
  follow(instance)
  return found
}

/** The resources in an order in which each comes after what it depends on, else as they stand in the template. */
export function inOrder(dependencies: ReadonlyMap<Instance, ReadonlySet<Instance>>): readonly Instance[] {
  const ordered: Instance[] = []
  const done = new Set<Instance>()
  let waiting = [...dependencies.keys()]
  while (waiting.length > 0) {
    const left: Instance[] = []
    for (const instance of waiting) {
      if ([...(dependencies.get(instance) ?? [])].every((each) => done.has(each))) {
        ordered.push(instance)
        done.add(instance)
      } else left.push(instance)
    }
    if (left.length === waiting.length) throw circularDependency(circleIn(left, dependencies))
    waiting = left
  }
  return ordered
}

/** The ids of one circle, the first of them again at the end. */
function circleIn(
  waiting: readonly Instance[],
  dependencies: ReadonlyMap<Instance, ReadonlySet<Instance>>,
): readonly string[] {
  const left = new Set(waiting)
  const path: Instance[] = []
  let instance = waiting[0] as Instance
  while (!path.includes(instance)) {
    path.push(instance)
    instance = [...(dependencies.get(instance) ?? [])].find((each) => left.has(each)) as Instance
  }
  return [...path.slice(path.indexOf(instance)), instance].map(({ id }) => id)
}

/** Refuses two deployed resources of one id. */
export function refuseTwice(instances: readonly Instance[]): void {
  const seen = new Map<string, Instance>()
  for (const instance of instances.filter(isDeployed)) {
    const key = comparable(instance.id)
    const other = seen.get(key)
    if (other)
      throw invalidTemplate(
        `The resource '${instance.id}' at '${instance.declaration.path}' is defined multiple times in a template: it is also at '${other.declaration.path}'. Please see https://aka.ms/arm-syntax-resources for usage details.`,
        instance.declaration.path,
      )
    seen.set(key, instance)
  }
}
