import { loadCatalogue } from '#diagnostics/catalogue.ts'
import { runService } from '../../src/service.ts'
import { withTestDiagnostics } from './test-diagnostics.ts'

await runService({ role: 'server', catalogue: withTestDiagnostics(await loadCatalogue()) })
