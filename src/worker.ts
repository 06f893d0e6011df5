import { loadCatalogue } from '#diagnostics/catalogue.ts'
import { runService } from './service.ts'

await runService({ role: 'worker', catalogue: await loadCatalogue() })
