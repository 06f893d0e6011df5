/** Names of the catalogue have hyphens, those of GraphQL cannot: dns-lookup is dnsLookup. */
export const toCamel = (name: string): string => name.replace(/[-_. ]+(\w)/g, (_match, letter: string) => letter.toUpperCase())

export const toPascal = (name: string): string => {
  const camel = toCamel(name)
  return camel.charAt(0).toUpperCase() + camel.slice(1)
}
