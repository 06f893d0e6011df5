/** The digest of repository@sha256:… */
export const digestOf = (reference: string): string => reference.slice(reference.indexOf('@') + 1)
