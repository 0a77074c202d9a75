package bench
import ("testing";"os")
func TestTry(t *testing.T){
 r := sampleReport()
 if err := r.WriteFiles("/tmp/rep/report.html","/tmp/rep/report.json"); err != nil { t.Fatal(err) }
 r.WriteTable(os.Stdout)
}
