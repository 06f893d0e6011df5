import { readdir } from 'node:fs/promises'
import type { AnyDiagnostic, Catalogue } from '#core/diagnostic.ts'

const folder = new URL('./', import.meta.url)
const ownName = new URL(import.meta.url).pathname.split('/').at(-1)

/** Every file of this folder is a diagnostic by its default export; nothing else has to be registered. */
export async function loadCatalogue (): Promise<Catalogue> {
  const files = (await readdir(folder)).filter(file => file.endsWith('.ts') && file !== ownName).sort()
  return new Map(await Promise.all(files.map(async file => {
    const { default: diagnostic } = await import(new URL(file, folder).href) as { default?: AnyDiagnostic }
    if (diagnostic?.name === undefined || file !== `${diagnostic.name}.ts`) {
      throw new TypeError(`Cannot load diagnostics/${file}: its default export is ${diagnostic ? `"${diagnostic.name}"` : 'missing'}`)
    }
    return [diagnostic.name, diagnostic] as const
  })))
}
